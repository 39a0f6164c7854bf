// Cropping on the GPU; the math is in src/cpu/crop.h.
//
// Rows (rows.h): forward a row of y, backward a row of dx; one thread an element. The kept part of a row is contiguous
// in both tensors. Bytes moved: forward 2 N h w C sizeof(T); backward reads those of dy and writes all of dx. Plain
// only: it takes one number a pixel, where the image was padded at all.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// y of shape `out` from x [out.N, H, W, out.C].
template <class M, class T>
void crop_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const Shape& out, Index H, Index W);

/// dx [out.N, H, W, out.C] from dy of shape `out`.
template <class M, class T>
void crop_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& out, Index H, Index W);

}  // namespace attnunet::cuda
