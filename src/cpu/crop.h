// Keeps the top left part: takes the logits of a padded image back to the image's size.
//
// Shapes     x [N,H,W,C] -> y [N,h,w,C], h <= H, w <= W.
// Forward    y_{nijc} = x_{nijc} for i < h, j < w.
// Backward   dx_{nijc} = dy_{nijc} for i < h, j < w; 0 elsewhere, where x reaches no output.
// Proof      tests/crop_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors are dense.

/// y of shape `out` from x [out.N, H, W, out.C].
template <class T>
void crop_forward(Device& device, Values<T> y, Const<Values<T>> x, const Shape& out, Index H, Index W);

/// dx [out.N, H, W, out.C] from dy of shape `out`.
template <class T>
void crop_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& out, Index H, Index W);

}  // namespace attnunet::cpu
