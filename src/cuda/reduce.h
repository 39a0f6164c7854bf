// Sums over the threads of a block in a fixed order: the same bits every time, on every machine. Reductions over more
// than a block are two-stage: each block leaves its partial sum in memory, a second kernel adds those in order.
#pragma once

#include <algorithm>

#include "cuda/kernel.h"

namespace attnunet::cuda {

/// The sum of `value` over the block, in every thread. All threads take part; blockDim is (32 k, 1, 1).
/// Lanes add in a tree (16, 8, 4, 2, 1 apart), then the warps' sums one after the other.
template <class T>
static __device__ __forceinline__ T block_sum(T value) {
  ATTNUNET_SHARED(T, warp_sums, [warp_size]);
  ATTNUNET_UNROLL
  for (int apart = warp_size / 2; apart > 0; apart /= 2)
    value += warp_shuffle_down(value, static_cast<unsigned>(apart));
  if (threadIdx.x % warp_size == 0) warp_sums[threadIdx.x / warp_size] = value;
  ATTNUNET_SYNCTHREADS();
  T sum = warp_sums[0];
  for (unsigned warp = 1; warp < blockDim.x / warp_size; ++warp) sum += warp_sums[warp];
  ATTNUNET_SYNCTHREADS();  // the next call may write warp_sums
  return sum;
}

constexpr unsigned most_threads_of_sum = 1024;

/// Threads of a block that alone sums up n elements: eight or more each, so that a short sum does not cost more in the
/// tree than it saves. Depends on n only, and so does the order of the sum.
inline unsigned threads_of_sum(Index n) {
  constexpr Index most = most_threads_of_sum, each = 8;
  const Index warps = (n + each * warp_size - 1) / (each * warp_size);
  return static_cast<unsigned>(std::clamp<Index>(warps * warp_size, warp_size, most));
}

}  // namespace attnunet::cuda
