#include <algorithm>

#include "cuda/chunk_share.h"
#include "cuda/kernel.h"
#include "cuda/reduce.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned most_lanes = 32, most_threads = warp_size * most_lanes;

// Threads (weight, lane).
template <class T>
__global__ void __launch_bounds__(most_threads)
    add_weight_gradients_kernel(T* dw, const T* partials, Index chunks, Index weights) {
  ATTNUNET_SHARED(T, sums, [most_threads]);
  const Index i = thread_of_grid();
  const unsigned lane = threadIdx.y, thread = lane * blockDim.x + threadIdx.x;
  T sum = 0;
  if (i < weights)
    for (Index chunk = lane; chunk < chunks; chunk += blockDim.y) sum += partials[chunk * weights + i];
  sums[thread] = sum;
  ATTNUNET_SYNCTHREADS();
  if (lane > 0 || i >= weights) return;
  for (unsigned other = 1; other < blockDim.y; ++other) sum += sums[other * blockDim.x + thread];
  dw[i] = sum;
}

// A power of two: about 8 chunks each, where that is possible.
unsigned lanes_of(Index chunks) {
  unsigned lanes = 1;
  while (lanes < most_lanes && Index{lanes} * 8 < chunks) lanes *= 2;
  return lanes;
}

// A block a chunk of pixels, as in chunk_share.h.
template <class T>
__global__ void bias_chunk_sums_kernel(T* sums, Gradients<const T> dy, Index chunk_pixels) {
  const Index channels = dy.channels, stride = dy.stride;
  const T* gradient = dy.data;
  const ChunkShare share = chunk_share(chunk_pixels, dy.pixels, channels);
  T sum = 0;
  for (Index p = share.first; p < share.end; p += share.step) sum += gradient[p * stride + share.group];
  const double all = sum_of_group(static_cast<double>(sum), share.width);
  if (threadIdx.x < share.width) sums[Index{blockIdx.x} * channels + share.group] = static_cast<T>(all);
}

template <class T>
__global__ void add_bias_sums_kernel(T* db, const T* sums, Index channels, Index chunks) {
  const Index k = blockIdx.x;
  double sum = 0;
  for (Index chunk = threadIdx.x; chunk < chunks; chunk += warp_size)
    sum += static_cast<double>(sums[chunk * channels + k]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) db[k] = static_cast<T>(sum);
}

}  // namespace

template <class M, class T>
void add_weight_gradients(Device<M>& device, T* dw, const T* partials, Index chunks, Index weights) {
  if (chunks == 1) return;
  const unsigned lanes = lanes_of(chunks), width = std::max<unsigned>(warp_size, 256 / lanes);
  launch(device, {"add_weight_gradients", blocks_for(weights, width), dim3(width, lanes)},
         add_weight_gradients_kernel<T>, dw, partials, chunks, weights);
}

template <class M, class T>
void bias_gradient(Device<M>& device, T* db, Const<Gradients<T>> dy, T* workspace) {
  const Chunks chunks = chunks_of(dy.pixels, dy.channels);
  launch(device, {"bias_chunk_sums", share_grid(chunks, dy.channels), share_threads}, bias_chunk_sums_kernel<T>,
         workspace, dy, chunks.pixels);
  launch(device, {"add_bias_sums", static_cast<unsigned>(dy.channels), unsigned{warp_size}}, add_bias_sums_kernel<T>,
         db, workspace, dy.channels, chunks.count);
}

template void add_weight_gradients(ThisDevice&, float*, const float*, Index, Index);
template void add_weight_gradients(ThisDevice&, double*, const double*, Index, Index);
template void bias_gradient(ThisDevice&, float*, Gradients<const float>, float*);
template void bias_gradient(ThisDevice&, double*, Gradients<const double>, double*);

}  // namespace attnunet::cuda
