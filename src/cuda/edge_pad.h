// Padding by the last column and row on the GPU; the math is in src/cpu/edge_pad.h.
//
// Rows (rows.h): forward a row of y, backward a row of dx; one thread an element. Backward gathers: the thread adds up
// all dy that its element was copied to, upper rows first and from left to right, the CPU's order. Bytes moved: each
// tensor once. Plain only: it takes one number a pixel, where the image is padded at all.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// y [in.N, H, W, in.C] from x of shape `in`.
template <class M, class T>
void edge_pad_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const Shape& in, Index H, Index W);

/// dx of shape `in` from dy [in.N, H, W, in.C].
template <class M, class T>
void edge_pad_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& in, Index H, Index W);

}  // namespace attnunet::cuda
