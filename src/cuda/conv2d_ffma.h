// Convolution in exact float32 on the GPU, tuned: three matrix products that never build their matrices. The math is in
// src/cpu/conv2d.h, the plain kernels in conv2d.h, the products and their tiles in implicit_gemm.h and gemm_ffma.h.
//
// forward           C[pixel][k] = sum over (r,s,c): windows of x by w, to y, bias added as it is written
// backward-data     C[pixel][c] = sum over (r,s,k): windows of dy by the flipped w, set or added to dx
// backward-weights  C[k][(r,s,c)] = sum over pixels, in chunks that depend on the shape only, added in order;
//                   the bias' gradient likewise, in a pass of its own over dy
//
// If one side has a single channel the kernels of gemm_thin.h take over: the input (the first layer) or, 1x1, the
// output (psi and the head).
//
// Each takes 2 N H W R R C K operations. Bytes: every tensor once (x is read for R R taps, from L2 but for the first).
// A 3x3 convolution of 32 channels does 9 * 32 * 2 / 8 = 72 operations a byte: the arithmetic binds on every GPU.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda::ffma {

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

}  // namespace attnunet::cuda::ffma
