// Exponential moving average of the weights on the GPU; the math is in src/cpu/ema.h.
//
// One launch, one thread per weight. Bytes moved: reads e and w and writes e, 3 n sizeof(T).
#pragma once

#include "common/core/ema_decay.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// One step of e [n] towards w [n]; decay is d_t, in [0, 1).
template <class M, class T>
void ema_step(Device<M>& device, T* e, const T* w, Index n, double decay);

}  // namespace attnunet::cuda
