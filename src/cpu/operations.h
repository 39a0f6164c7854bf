// Every operation of the CPU backend: included where a network, a gradient check or the trainer is instantiated for
// Cpu<T>. The templates call operations unqualified and find these through their Device argument.
#pragma once

#include "cpu/adam.h"
#include "cpu/add.h"
#include "cpu/attention_multiply.h"
#include "cpu/batch_input.h"
#include "cpu/batch_norm.h"
#include "cpu/batch_norm_relu_dropout.h"
#include "cpu/bce.h"
#include "cpu/concat.h"
#include "cpu/conv2d.h"
#include "cpu/conv2d_statistics.h"
#include "cpu/conv_transpose2d.h"
#include "cpu/crop.h"
#include "cpu/dice.h"
#include "cpu/dropout.h"
#include "cpu/edge_pad.h"
#include "cpu/fold_batch_norm.h"
#include "cpu/max_pool.h"
#include "cpu/relu.h"
#include "cpu/segmentation_counts.h"
#include "cpu/sigmoid.h"
