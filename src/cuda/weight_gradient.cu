#include "cuda/kernel.h"
#include "cuda/reduce.h"
#include "cuda/weight_gradient.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;

template <class T>
__global__ void add_weight_gradients_kernel(T* dw, const T* partials, Index chunks, Index weights) {
  const Index i = thread_of_grid();
  if (i >= weights) return;
  T sum = partials[i];
  for (Index chunk = 1; chunk < chunks; ++chunk) sum += partials[chunk * weights + i];
  dw[i] = sum;
}

template <class T>
__global__ void bias_block_sums_kernel(T* sums, const T* dy, Index pixels, Index channels, Index dy_pixel,
                                       Index blocks) {
  const Index i = thread_of_grid();
  if (i >= blocks * channels) return;
  const Index block = i / channels, k = i % channels;
  const Index begin = block * bias_block, end = begin + bias_block < pixels ? begin + bias_block : pixels;
  T sum = 0;
  for (Index p = begin; p < end; ++p) sum += dy[p * dy_pixel + k];
  sums[i] = sum;
}

template <class T>
__global__ void add_bias_sums_kernel(T* db, const T* sums, Index channels, Index blocks) {
  const Index k = blockIdx.x;
  double sum = 0;
  for (Index block = threadIdx.x; block < blocks; block += warp_size)
    sum += static_cast<double>(sums[block * channels + k]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) db[k] = static_cast<T>(sum);
}

}  // namespace

template <class M, class T>
void add_weight_gradients(Device<M>& device, T* dw, const T* partials, Index chunks, Index weights) {
  if (chunks == 1) return;
  launch(device, {"add_weight_gradients", blocks_for(weights, threads), threads}, add_weight_gradients_kernel<T>, dw,
         partials, chunks, weights);
}

template <class M, class T>
void bias_gradient(Device<M>& device, T* db, const T* dy, T* workspace, Index pixels, Index channels, Index dy_pixel) {
  const Index blocks = bias_blocks(pixels);
  launch(device, {"bias_block_sums", blocks_for(blocks * channels, threads), threads}, bias_block_sums_kernel<T>,
         workspace, dy, pixels, channels, dy_pixel, blocks);
  launch(device, {"add_bias_sums", static_cast<unsigned>(channels), unsigned{warp_size}}, add_bias_sums_kernel<T>, db,
         workspace, channels, blocks);
}

template void add_weight_gradients(ThisDevice&, float*, const float*, Index, Index);
template void add_weight_gradients(ThisDevice&, double*, const double*, Index, Index);
template void bias_gradient(ThisDevice&, float*, const float*, float*, Index, Index, Index);
template void bias_gradient(ThisDevice&, double*, const double*, double*, Index, Index, Index);

}  // namespace attnunet::cuda
