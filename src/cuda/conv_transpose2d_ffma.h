// Transposed convolution in exact float32 on the GPU, tuned; the math is in src/cpu/conv_transpose2d.h, the plain
// kernels in conv_transpose2d.h, the products and their tiles in implicit_gemm.h and gemm_ffma.h.
//
// forward           C[pixel][(i,j,k)] = sum over c: the weights [2,2,K,C] are a matrix of 4K rows as they lie; a
//                   column's place in y is its own pixel of the block, so nothing is scattered after
// backward-data     C[pixel][c] = sum over (i,j,k): windows of 2 x 2 pixels of dy, 2 apart, by the same matrix
// backward-weights  C[(i,j,k)][c] = sum over pixels, in chunks added in order; the bias' gradient in a pass over dy
//
// Each takes 8 N H W C K operations; every tensor once. 64 to 32 channels: 8 * 64 * 32 / (4 * (64 + 4 * 32)) = 21
// operations a byte, near the point where memory binds.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda::ffma {

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

}  // namespace attnunet::cuda::ffma
