// Every operation of the CUDA backends (GPU and simulator): included where a network, a gradient check or the trainer
// is instantiated for Cuda<T> or CudaSim<T>. The templates call operations unqualified and find these through their
// Device argument.
#pragma once

#include "cuda/adam.h"
#include "cuda/add.h"
#include "cuda/attention_multiply.h"
#include "cuda/batch_input.h"
#include "cuda/batch_norm.h"
#include "cuda/batch_norm_relu_dropout.h"
#include "cuda/bce.h"
#include "cuda/clip_norm.h"
#include "cuda/concat.h"
#include "cuda/conv2d.h"
#include "cuda/conv2d_statistics.h"
#include "cuda/conv_transpose2d.h"
#include "cuda/crop.h"
#include "cuda/dice.h"
#include "cuda/divergence.h"
#include "cuda/dropout.h"
#include "cuda/edge_pad.h"
#include "cuda/focal.h"
#include "cuda/fold_batch_norm.h"
#include "cuda/max_pool.h"
#include "cuda/relu.h"
#include "cuda/segmentation_counts.h"
#include "cuda/sigmoid.h"
#include "cuda/tversky.h"
