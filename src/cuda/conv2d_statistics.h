// Convolution and the batch statistics of its output on the GPU; the math is in src/cpu/conv2d_statistics.h.
//
// In float32, exact or on tensor cores, the convolution's blocks make the statistics of their tiles (mean, and squares
// about that mean) while the tile is in registers, and combine_channel_statistics (batch_norm.h) merges them: y is
// written once and not read. A tile is a chunk of 32 to 256 pixels (gemm_ffma.h, gemm_tensor_core.h). The reduction
// within a tile: a thread's pixels in order, then the threads of a column in order.
// Bytes: those of the convolution, and 2 K floats a tile, 1/64 of y or less.
// double, and one output channel, which is cheap to read: the convolution, then the statistics in a pass of their own.
#pragma once

#include "common/core/batch_norm_views.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// Elements of either T. Doubles lie in it: aligned as a Buffer is.
template <class M>
Index conv2d_statistics_workspace(const Device<M>& device, const Conv2dGeometry& g);

template <class M, class T>
void conv2d_statistics_forward(Device<M>& device, Values<T> y, BatchStatistics<T> batch, RunningStatistics<T> running,
                               Const<Values<T>> x, const T* w, T* workspace, const Conv2dGeometry& g);

}  // namespace attnunet::cuda
