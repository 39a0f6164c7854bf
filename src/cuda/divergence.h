// The first step whose loss is not finite, on the GPU; the rule is in src/cpu/divergence.h.
//
// One warp: lane t looks at losses t, t + 32, ..., and a vote tells lane 0. Reads 8 N bytes.
#pragma once

#include "cuda/device.h"

namespace attnunet::cuda {

template <class M>
void record_divergence(Device<M>& device, Index* first, const double* losses, Index N, Index step);

}  // namespace attnunet::cuda
