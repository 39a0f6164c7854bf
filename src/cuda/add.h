// Elementwise sum on the GPU; the math is in src/cpu/add.h.
//
// Bytes moved: reads a and b, writes y, 3 n sizeof(T). Plain: one thread an element. Tuned (float32, aligned): one
// thread four elements in 16-byte accesses; the same sums.
#pragma once

#include "common/core/tensor_view.h"
#include "cuda/device.h"

namespace attnunet::cuda {

template <class M, class T>
void add_forward(Device<M>& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b);

}  // namespace attnunet::cuda
