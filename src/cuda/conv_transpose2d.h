// Transposed convolution with a 2x2 kernel and stride 2 on the GPU; the math is in src/cpu/conv_transpose2d.h.
//
// Here are the plain kernels, the formulas of that header as they stand: one thread an element of the output.
//   forward   thread (output pixel, k) goes over c of the one input pixel below it.
//   data      thread (input pixel, c) goes over the four taps and over k.
//   weights   thread (chunk, tap, k, c) sums over the input pixels of its chunk, image row by image row;
//             weight_gradient.h adds the chunks.
// Each sum is a chain of fma in that order, begun at the bias or at zero. Bytes as in conv2d.h.
//
// double always runs the plain kernels: the functions below choose by the type and the device's precision.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

// Tensors may have any stride. Views that do not have the geometry's shape throw std::logic_error.

/// Elements of T that any of the three functions below, plain or tuned, needs as workspace.
template <class M>
Index conv_transpose2d_workspace(const Device<M>& device, const ConvTranspose2dGeometry& g);

/// y [N,2H,2W,K] from x [N,H,W,C], w [2,2,K,C] and bias [K], which may be null.
template <class M, class T>
void conv_transpose2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const T* bias,
                              T* workspace, const ConvTranspose2dGeometry& g);

/// dx [N,H,W,C] from dy [N,2H,2W,K] and w [2,2,K,C].
template <class M, class T>
void conv_transpose2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w,
                                    T* workspace, const ConvTranspose2dGeometry& g, Write write);

/// dw [2,2,K,C] and db [K], which may be null, from dy [N,2H,2W,K] and x [N,H,W,C].
template <class M, class T>
void conv_transpose2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       T* workspace, const ConvTranspose2dGeometry& g);

namespace plain {

template <class M>
Index conv_transpose2d_workspace(const Device<M>& device, const ConvTranspose2dGeometry& g);
template <class M, class T>
void conv_transpose2d_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const T* w, const T* bias,
                              T* workspace, const ConvTranspose2dGeometry& g);
template <class M, class T>
void conv_transpose2d_backward_data(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const T* w,
                                    T* workspace, const ConvTranspose2dGeometry& g, Write write);
template <class M, class T>
void conv_transpose2d_backward_weights(Device<M>& device, T* dw, T* db, Const<Gradients<T>> dy, Const<Values<T>> x,
                                       T* workspace, const ConvTranspose2dGeometry& g);

}  // namespace plain
}  // namespace attnunet::cuda
