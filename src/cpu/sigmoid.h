// The logistic sigmoid, element by element: the gate's last step, alpha in (0, 1).
//
// Forward    y = 1 / (1 + e^-x). For x < 0 computed as e^x / (1 + e^x), so that e^|x| never overflows.
// Saved      y.
// Backward   dy/dx = e^-x / (1 + e^-x)^2 = 1/(1 + e^-x) * (1 - 1/(1 + e^-x)) = y (1 - y),   dx = dy y (1 - y).
// Proof      tests/sigmoid_test.cpp
#pragma once

#include "cpu/device.h"

namespace attnunet::cpu {

/// y, x: n values. y may be x.
template <class T>
void sigmoid_forward(Device& device, T* y, const T* x, Index n);

/// dx, dy, y: n values. dx may be dy.
template <class T>
void sigmoid_backward(Device& device, T* dx, const T* dy, const T* y, Index n);

}  // namespace attnunet::cpu
