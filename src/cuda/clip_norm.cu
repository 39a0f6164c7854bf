#include <cmath>

#include "cuda/clip_norm.h"
#include "cuda/kernel.h"
#include "cuda/reduce.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void square_sums_kernel(double* sums, const T* g, Index n, Index chunk) {
  const Index first = Index{blockIdx.x} * chunk, end = first + chunk < n ? first + chunk : n;
  double own = 0;
  for (Index i = first + Index{threadIdx.x}; i < end; i += blockDim.x)
    own += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  const double sum = block_sum(own);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(most_threads_of_sum)
    clip_factor_kernel(double* factor, const double* sums, Index count, double limit) {
  double own = 0;
  for (Index i = Index{threadIdx.x}; i < count; i += blockDim.x) own += sums[i];
  const double sum = block_sum(own);
  if (threadIdx.x == 0) *factor = limit / (std::sqrt(sum) + 1e-6);
}

template <class T>
__global__ void scale_gradients_kernel(T* g, const double* factor, Index n) {
  const Index i = thread_of_grid();
  if (i < n && !(*factor >= 1)) g[i] *= static_cast<T>(*factor);  // NaN passes through
}

}  // namespace

template <class M, class T>
void clip_norm(Device<M>& device, T* g, double* scratch, Index n, double limit) {
  const ClipNormChunks chunks = clip_norm_chunks(n);
  double* factor = scratch + chunks.count;
  launch(device, {"square_sums", static_cast<unsigned>(chunks.count), block_threads}, square_sums_kernel<T>, scratch, g,
         n, chunks.size);
  launch(device, {"clip_factor", 1, threads_of_sum(chunks.count)}, clip_factor_kernel, factor, scratch, chunks.count,
         limit);
  launch(device, {"scale_gradients", blocks_for(n, block_threads), block_threads}, scale_gradients_kernel<T>, g, factor,
         n);
}

template void clip_norm(ThisDevice&, float*, double*, Index, double);
template void clip_norm(ThisDevice&, double*, double*, Index, double);

}  // namespace attnunet::cuda
