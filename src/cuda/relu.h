// ReLU on the GPU; the math is in src/cpu/relu.h.
//
// One thread an element. Bytes moved: forward reads x and writes y, 2 n sizeof(T); backward reads dy and y and writes
// dx, 3 n sizeof(T): bound by memory, so the network runs it fused with batch norm (batch_norm_relu_dropout.h).
// Both may run in place (y = x, dx = dy).
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void relu_forward(Device<M>& device, Values<T> y, Const<Values<T>> x);

template <class M, class T>
void relu_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y);

}  // namespace attnunet::cuda
