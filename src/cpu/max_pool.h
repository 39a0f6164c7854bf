// Max pooling, 2 x 2 windows with stride 2 (LeCun et al. 1998; the maximum after Ranzato et al. 2007).
//
// Shapes     x [N,H,W,C] -> y, argmax [N,h,w,C], h = H/2 and w = W/2 rounded down: a last odd row or column has no
//            window. (The networks only pool even sizes.)
// Forward    y_{nijc} = max over r, s in {0, 1} of x_{n, 2i+r, 2j+s, c};   argmax_{nijc} = 2 r + s of the maximum.
// Saved      argmax, one byte an output.
// Backward   y = x at the argmax, and windows do not overlap:
//            dx_{n,2i+r,2j+s,c} = dy_{nijc} where 2 r + s = argmax_{nijc}, else 0; 0 for the last odd row and column.
//            On even sizes sum dx = sum dy: each dy lands exactly once.
// Kink       on equal values the first in row order wins (strict comparison), as in PyTorch.
// NaN        is larger than everything, and of several the last wins, as in PyTorch.
// Proof      tests/max_pool_test.cpp
#pragma once

#include <cstdint>

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors are dense.

/// y and argmax from x of shape `in`.
template <class T>
void max_pool_forward(Device& device, Values<T> y, std::uint8_t* argmax, Const<Values<T>> x, const Shape& in);

/// dx of shape `in` from dy and argmax.
template <class T>
void max_pool_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, const std::uint8_t* argmax,
                       const Shape& in, Write write);

}  // namespace attnunet::cpu
