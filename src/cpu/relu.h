// ReLU: y = max(x, 0), element by element (Nair and Hinton 2010).
//
// Forward    y_i = 0 where x_i <= 0, else x_i.
// Saved      y. (y_i <= 0 exactly where x_i <= 0, so x itself can be dropped, and y may overwrite x.)
// Backward   dL/dx_i = dL/dy_i * dy_i/dx_i,   dy_i/dx_i = 1 where x_i > 0, 0 where x_i < 0,
//            hence dx_i = 0 where y_i <= 0, else dy_i.
// Kink       at x_i = 0 the derivative is not defined; we take 0, as PyTorch does.
// NaN        is not clipped: y_i is NaN where x_i is, and there dx_i = dy_i, as in PyTorch.
// Proof      tests/relu_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors have the same shape and are dense.

/// y may be x.
template <class T>
void relu_forward(Device& device, Values<T> y, Const<Values<T>> x);

/// dx may be dy.
template <class T>
void relu_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y);

}  // namespace attnunet::cpu
