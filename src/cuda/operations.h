// Every operation of the CUDA backends (GPU and simulator): included where a network, a gradient check or the trainer
// is instantiated for Cuda<T> or CudaSim<T>. The templates call operations unqualified and find these through their
// Device argument.
#pragma once

#include "cuda/batch_norm.h"
#include "cuda/batch_norm_relu_dropout.h"
#include "cuda/conv2d.h"
#include "cuda/conv2d_statistics.h"
#include "cuda/conv_transpose2d.h"
#include "cuda/relu.h"
