// Folding batch norm into a convolution on the GPU; the math is in src/cpu/fold_batch_norm.h.
//
// Mapping     a block an output channel: each thread works out the channel's factor for itself and scales weights
//             `threads` apart; the first one also makes the bias.
// Bytes       reads and writes w, 2 K n sizeof(T). No sums.
#pragma once

#include "cuda/device.h"

namespace attnunet::cuda {

/// w [K, n] and beta [K] are overwritten; the others [K].
template <class M, class T>
void fold_batch_norm(Device<M>& device, T* w, T* beta, const T* gamma, const T* running_mean, const T* running_var,
                     Index K, Index n);

}  // namespace attnunet::cuda
