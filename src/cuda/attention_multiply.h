// The gate's product on the GPU; the math is in src/cpu/attention_multiply.h.
//
// Bytes moved: forward reads x, alpha and writes y, (2 C + 1) pixels sizeof(T); backward reads dy, x, alpha and writes
// dx, dalpha, (3 C + 2) pixels sizeof(T).
// Forward    plain: one thread an element. Tuned (float32, C and y's stride multiples of 4, aligned): eight lanes of a
//            warp a pixel, four channels each in 16-byte accesses, then the next 32; no division by C.
// Backward   eight lanes a pixel in both; lane l takes channels 4 l ... 4 l + 3, then the next 32 channels.
//            Plain: one by one. Tuned: in 16-byte accesses.
// Order of dalpha's sum, the same in both to the bit: each lane its channels from first to last, then the lanes in a
// tree (4, 2, 1 apart).
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void attention_multiply_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, Const<Values<T>> alpha);

/// dx may be dy if that is dense.
template <class M, class T>
void attention_multiply_backward(Device<M>& device, Gradients<T> dx, Gradients<T> dalpha, Const<Gradients<T>> dy,
                                 Const<Values<T>> x, Const<Values<T>> alpha);

}  // namespace attnunet::cuda
