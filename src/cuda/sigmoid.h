// The sigmoid on the GPU; the math is in src/cpu/sigmoid.h.
//
// One thread an element. Bytes moved: forward reads x and writes y, 2 n sizeof(T); backward reads dy and y and writes
// dx, 3 n sizeof(T). n is one value a pixel in the gate, too few bytes for anything else to matter.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void sigmoid_forward(Device<M>& device, Values<T> y, Const<Values<T>> x);

template <class M, class T>
void sigmoid_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, Const<Values<T>> y);

}  // namespace attnunet::cuda
