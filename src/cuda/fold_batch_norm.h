// Folding batch norm into a convolution on the GPU; the math is in src/cpu/fold_batch_norm.h.
//
// Mapping     a block an output channel: each thread works out the channel's factor for itself and scales weights
//             `threads` apart; the first one also makes the bias.
// Bytes       reads and writes w, 2 K n sizeof(T). No sums.
#pragma once

#include "common/core/batch_norm_views.h"
#include "cuda/device.h"

namespace attnunet::cuda {

/// w [K, n] and beta [K] are overwritten.
template <class M, class T>
void fold_batch_norm(Device<M>& device, T* w, BatchNormParameters<T> parameters, Const<RunningStatistics<T>> running,
                     Index K, Index n);

}  // namespace attnunet::cuda
