#include "cuda/add.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 256;

template <class T>
__global__ void add_forward_kernel(T* y, const T* a, const T* b, Index n) {
  const Index i = thread_of_grid();
  if (i < n) y[i] = a[i] + b[i];
}

__global__ void add_forward_quads_kernel(float* y, const float* a, const float* b, Index quads) {
  const Index q = thread_of_grid();
  if (q >= quads) return;
  Quad sum = load_quad(a + 4 * q);
  const Quad other = load_quad(b + 4 * q);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) sum.of[k] += other.of[k];
  store_quad(y + 4 * q, sum);
}

}  // namespace

template <class M, class T>
void add_forward(Device<M>& device, T* y, const T* a, const T* b, Index n) {
  if constexpr (std::is_same_v<T, float>) {
    if (n % 4 == 0 && quad_aligned(y, a, b)) {
      launch(device, {"add_forward_quads", blocks_for(n / 4, threads), threads}, add_forward_quads_kernel, y, a, b,
             n / 4);
      return;
    }
  }
  launch(device, {"add_forward", blocks_for(n, threads), threads}, add_forward_kernel<T>, y, a, b, n);
}

template void add_forward(ThisDevice&, float*, const float*, const float*, Index);
template void add_forward(ThisDevice&, double*, const double*, const double*, Index);

}  // namespace attnunet::cuda
