// Adam on the GPU; the math is in src/cpu/adam.h.
//
// One launch for all n parameters, which lie one after the other. Bytes moved: reads w, m, v and g, writes w, m and v,
// 7 n sizeof(T). Plain: one thread a parameter. Tuned (float32, aligned): one thread four parameters in 16-byte
// accesses, the same arithmetic; the last n % 4 one by one.
#pragma once

#include "common/core/adam_options.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// One step on n parameters w with moments m, v (updated) and gradients g.
template <class M, class T>
void adam_step(Device<M>& device, T* w, T* m, T* v, const T* g, Index n, const AdamOptions& options);

}  // namespace attnunet::cuda
