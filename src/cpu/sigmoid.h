// The logistic sigmoid, element by element: the gate's last step, alpha in (0, 1).
//
// Forward    y = 1 / (1 + e^-x). For x < 0 computed as e^x / (1 + e^x), so that e^|x| never overflows.
// Saved      y.
// Backward   dy/dx = e^-x / (1 + e^-x)^2 = 1/(1 + e^-x) * (1 - 1/(1 + e^-x)) = y (1 - y),   dx = dy y (1 - y).
// Proof      tests/sigmoid_test.cpp
#pragma once

#include "common/core/tensor_view.h"
#include "cpu/device.h"

namespace attnunet::cpu {

// All tensors have the same shape and are dense.

/// y may be x.
template <class T>
void sigmoid_forward(Device& device, Values<T> y, Const<Values<T>> x);

/// dx may be dy.
template <class T>
void sigmoid_backward(Device& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y);

}  // namespace attnunet::cpu
