#include "cuda/add.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

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
void add_forward(Device<M>& device, Values<T> y, Const<Values<T>> a, Const<Values<T>> b) {
  const Index n = size_of_same(y, a, b);
  if constexpr (std::is_same_v<T, float>) {
    if (n % 4 == 0 && quad_aligned(y.data, a.data, b.data)) {
      launch(device, {"add_forward_quads", blocks_for(n / 4, block_threads), block_threads}, add_forward_quads_kernel,
             y.data, a.data, b.data, n / 4);
      return;
    }
  }
  launch(device, {"add_forward", blocks_for(n, block_threads), block_threads}, add_forward_kernel<T>, y.data, a.data,
         b.data, n);
}

template void add_forward(ThisDevice&, Values<float>, Values<const float>, Values<const float>);
template void add_forward(ThisDevice&, Values<double>, Values<const double>, Values<const double>);

}  // namespace attnunet::cuda
