// Padding on the right and at the bottom by repeating the last column and row: how an image whose sides are not
// multiples of 2^D gets through D poolings (docs/reference.md section 1).
//
// Shapes     x [N,h,w,C] -> y [N,H,W,C], H >= h, W >= w.
// Forward    y_{n,i,j,c} = x_{n, min(i, h-1), min(j, w-1), c}.
// Backward   x_{n,a,b,c} is copied to every (i, j) with min(i, h-1) = a and min(j, w-1) = b, each with derivative 1:
//            dx_{n,a,b,c} = sum over those (i, j) of dy_{n,i,j,c}.
//            One term inside, H - h + 1 or W - w + 1 terms at the last row or column.
// Proof      tests/edge_pad_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors are dense.

/// y [in.N, H, W, in.C] from x of shape `in`.
template <class T>
void edge_pad_forward(Device& device, Values<T> y, Const<Values<T>> x, const Shape& in, Index H, Index W);

/// dx of shape `in` from dy [in.N, H, W, in.C].
template <class T>
void edge_pad_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const Shape& in, Index H, Index W);

}  // namespace attnunet::cpu
