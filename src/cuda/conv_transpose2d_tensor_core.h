// Transposed convolution on tensor cores, for --precision tf32 and bf16: the products of conv_transpose2d_ffma.h with
// x, w and dy rounded on their way into the registers. The math is in src/cpu/conv_transpose2d.h, the products in
// implicit_gemm.h, the kernel in gemm_tensor_core.h; what is said in conv2d_tensor_core.h holds here too.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda::tensor_core {

inline bool on_tensor_cores(Precision precision, const ConvTranspose2dGeometry& g) {
  return precision != Precision::float32 && g.C > 1 && g.K > 1;
}

/// Elements of float that any of the three functions below needs as workspace.
template <class M>
Index conv_transpose2d_workspace(const Device<M>& device, const ConvTranspose2dGeometry& g);

template <class M>
void conv_transpose2d_forward(Device<M>& device, Values<float> y, Values<const float> x, const float* w,
                              const float* bias, float* workspace, const ConvTranspose2dGeometry& g);

template <class M>
void conv_transpose2d_backward_data(Device<M>& device, Gradients<float> dx, Gradients<const float> dy, const float* w,
                                    float* workspace, const ConvTranspose2dGeometry& g, Write write);

template <class M>
void conv_transpose2d_backward_weights(Device<M>& device, float* dw, float* db, Gradients<const float> dy,
                                       Values<const float> x, float* workspace, const ConvTranspose2dGeometry& g);

}  // namespace attnunet::cuda::tensor_core
