// How threads share a [pixels, C] tensor if each works for one channel, or one group of channels, from start to end.
//
// Chunks    Consecutive pixels, one block each (for every 256 groups); see chunks.h.
// Groups    One channel, or a few neighbouring ones that a thread reads as a vector (a channel group). A block's 256
//           threads cover `width` groups and 256 / width pixels at a time: thread t has group t % width of pixel
//           t / width. So neighbouring threads read neighbouring elements even if C is small, and no thread divides by
//           C in its loop. The threads that are left over have an empty loop.
#pragma once

#include "cuda/chunks.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {

constexpr unsigned share_threads = 256;

/// The grid for chunks x groups of channels.
inline dim3 share_grid(const Chunks& chunks, Index groups) {
  return dim3(static_cast<unsigned>(chunks.count), blocks_for(groups, share_threads));
}

/// This thread's share of its block's chunk: `group` of pixels first, first + step, ... below end.
struct ChunkShare {
  Index group, first, end, step;
  unsigned width;  ///< groups in this block: threads 0 .. width - 1 have one each
};

static __device__ __forceinline__ ChunkShare chunk_share(Index chunk_pixels, Index pixels, Index groups) {
  const Index first_group = Index{blockIdx.y} * share_threads, groups_left = groups - first_group;
  const unsigned width = groups_left < Index{share_threads} ? static_cast<unsigned>(groups_left) : share_threads;
  const unsigned step = share_threads / width, pixel = threadIdx.x / width;
  const Index begin = Index{blockIdx.x} * chunk_pixels;
  const Index end = begin + chunk_pixels < pixels ? begin + chunk_pixels : pixels;
  return {first_group + threadIdx.x % width, pixel < step ? begin + pixel : end, end, step, width};
}

/// Pixels in this block's chunk.
static __device__ __forceinline__ double pixels_of_chunk(Index chunk, Index chunk_pixels, Index pixels) {
  const Index left = pixels - chunk * chunk_pixels;
  return static_cast<double>(left < chunk_pixels ? left : chunk_pixels);
}

/// The sum of `value` over the threads of a group, those with the same threadIdx.x % width, by halves; all of them get
/// it. All threads of the block must call it. The threads that are left over do not count.
static __device__ __forceinline__ double sum_of_group(double value, unsigned width) {
  ATTNUNET_SHARED(double, sums, [1024]);
  const unsigned thread = threadIdx.x;
  sums[thread] = value;
  for (unsigned left = blockDim.x / width; left > 1;) {
    const unsigned half = left / 2;
    ATTNUNET_SYNCTHREADS();
    if (thread < half * width) sums[thread] += sums[thread + (left - half) * width];
    left -= half;
  }
  ATTNUNET_SYNCTHREADS();
  const double sum = sums[thread % width];
  ATTNUNET_SYNCTHREADS();  // the next call may write sums
  return sum;
}

}  // namespace attnunet::cuda
