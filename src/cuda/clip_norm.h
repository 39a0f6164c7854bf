// Clipping by the global norm on the GPU; the math is in src/cpu/clip_norm.h.
//
// Three launches: a block per chunk adds up squares, one block adds up the chunks' sums and leaves the factor in device
// memory, and one thread per gradient multiplies. The host waits for nothing. Bytes moved: reads g twice and writes it,
// 3 n sizeof(T); the last launch leaves g alone if the factor is 1.
#pragma once

#include "common/core/clip_norm_chunks.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// Scales g [n] so that its norm is at most limit > 0. scratch: clip_norm_scratch(n) doubles.
template <class M, class T>
void clip_norm(Device<M>& device, T* g, double* scratch, Index n, double limit);

}  // namespace attnunet::cuda
