// Convolution on tensor cores, for --precision tf32 and bf16: the products of conv2d_ffma.h with x, w and dy rounded
// on their way into the registers. Everything in memory is float32, sums are float32. The math is in src/cpu/conv2d.h,
// the products in implicit_gemm.h, the kernel in gemm_tensor_core.h. device.precision() says to what it rounds; the
// bias and its gradient are not rounded.
//
// Layers with one channel on either side (the first and the last ones of a network) stay in exact float32: their
// products are a matrix with a vector, bound by memory, and would leave most of a fragment empty. on_tensor_cores()
// says which layers run here.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda::tensor_core {

inline bool on_tensor_cores(Precision precision, const Conv2dGeometry& g) {
  return precision != Precision::float32 && g.C > 1 && g.K > 1;
}

/// Elements of float that any of the three functions below needs as workspace.
template <class M>
Index conv2d_workspace(const Device<M>& device, const Conv2dGeometry& g);

template <class M>
void conv2d_forward(Device<M>& device, Values<float> y, Values<const float> x, const float* w,
                    const Epilogue<float>& epilogue, float* workspace, const Conv2dGeometry& g);

/// Without bias, and per channel the mean and the sum of squares about it of each chunk of pixels, [chunks, K], for
/// combine_channel_statistics. Returns the pixels of a chunk, conv2d_statistics_chunk or more; the last may have fewer.
template <class M>
Index conv2d_forward_statistics(Device<M>& device, Values<float> y, float* chunk_means, float* chunk_m2,
                                Values<const float> x, const float* w, const Conv2dGeometry& g);
constexpr Index conv2d_statistics_chunk = 32;

template <class M>
void conv2d_backward_data(Device<M>& device, Gradients<float> dx, Gradients<const float> dy, const float* w,
                          float* workspace, const Conv2dGeometry& g, Write write);

template <class M>
void conv2d_backward_weights(Device<M>& device, float* dw, float* db, Gradients<const float> dy, Values<const float> x,
                             float* workspace, const Conv2dGeometry& g);

}  // namespace attnunet::cuda::tensor_core
