// ReLU on the GPU; the math is in src/cpu/relu.h.
//
// One thread an element. Bytes moved: forward reads x and writes y, 2 n sizeof(T); backward reads dy and y and writes
// dx, 3 n sizeof(T): bound by memory, so the network runs it fused with batch norm (batch_norm_relu_dropout.h).
// Both may run in place (y = x, dx = dy).
#pragma once

#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void relu_forward(Device<M>& device, T* y, const T* x, Index n);

template <class M, class T>
void relu_backward(Device<M>& device, T* dx, const T* dy, const T* y, Index n);

}  // namespace attnunet::cuda
