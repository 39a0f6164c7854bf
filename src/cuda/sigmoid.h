// The sigmoid on the GPU; the math is in src/cpu/sigmoid.h.
//
// One thread an element. Bytes moved: forward reads x and writes y, 2 n sizeof(T); backward reads dy and y and writes
// dx, 3 n sizeof(T). n is one value a pixel in the gate, too few bytes for anything else to matter.
#pragma once

#include "cuda/device.h"

namespace attnunet::cuda {

/// y, x: n values. y may be x.
template <class M, class T>
void sigmoid_forward(Device<M>& device, T* y, const T* x, Index n);

/// dx, dy, y: n values. dx may be dy.
template <class M, class T>
void sigmoid_backward(Device<M>& device, T* dx, const T* dy, const T* y, Index n);

}  // namespace attnunet::cuda
