// Elementwise sum on the GPU; the math is in src/cpu/add.h.
//
// Bytes moved: reads a and b, writes y, 3 n sizeof(T). Plain: one thread an element. Tuned (float32, aligned): one
// thread four elements in 16-byte accesses; the same sums.
#pragma once

#include "cuda/device.h"

namespace attnunet::cuda {

/// y, a, b: n values. y may be a or b.
template <class M, class T>
void add_forward(Device<M>& device, T* y, const T* a, const T* b, Index n);

}  // namespace attnunet::cuda
