#include "cuda/dropout.h"
#include "cuda/kernel.h"
#include "cuda/quad.h"

namespace attnunet::cuda {
namespace {

// x m: if dropped 0, or NaN if x is not finite.
template <class T>
__device__ __forceinline__ T masked(bool kept, T x, T scale) {
  return kept ? x * scale : x - x;
}

template <class T>
__global__ void dropout_kernel(T* y, const T* x, std::uint32_t threshold, T scale, DropoutKey key, Index n) {
  const Index q = thread_of_grid();
  if (4 * q >= n) return;
  const PhiloxWords words = dropout_words(q, key);
  for (int k = 0; k < 4; ++k) {
    const Index i = 4 * q + k;
    if (i < n) y[i] = masked(words.word[k] >= threshold, x[i], scale);
  }
}

__global__ void dropout_quads_kernel(float* y, const float* x, std::uint32_t threshold, float scale, DropoutKey key,
                                     Index quads) {
  const Index q = thread_of_grid();
  if (q >= quads) return;
  const PhiloxWords words = dropout_words(q, key);
  Quad values = load_quad(x + 4 * q);
  ATTNUNET_UNROLL
  for (int k = 0; k < 4; ++k) values.of[k] = masked(words.word[k] >= threshold, values.of[k], scale);
  store_quad(y + 4 * q, values);
}

template <class M, class T>
void apply_mask(Device<M>& device, const char* name, T* y, const T* x, const Dropout& dropout, Index n) {
  const std::uint32_t threshold = dropout_threshold(dropout.rate);
  const T scale = static_cast<T>(dropout_scale(dropout.rate));
  const Index quads = (n + 3) / 4;
  const LaunchShape shape{name, blocks_for(quads, block_threads), block_threads};
  if constexpr (std::is_same_v<T, float>) {
    if (n % 4 == 0 && quad_aligned(y, x)) {
      launch(device, shape, dropout_quads_kernel, y, x, threshold, scale, dropout.key, quads);
      return;
    }
  }
  launch(device, shape, dropout_kernel<T>, y, x, threshold, scale, dropout.key, n);
}

}  // namespace

template <class M, class T>
void dropout_forward(Device<M>& device, Values<T> y, Const<Values<T>> x, const Dropout& dropout) {
  apply_mask(device, "dropout_forward", y.data, x.data, dropout, size_of_same(y, x));
}

template <class M, class T>
void dropout_backward(Device<M>& device, Gradients<T> dx, Const<Gradients<T>> dy, const Dropout& dropout) {
  apply_mask(device, "dropout_backward", dx.data, dy.data, dropout, size_of_same(dx, dy));
}

template void dropout_forward(ThisDevice&, Values<float>, Values<const float>, const Dropout&);
template void dropout_forward(ThisDevice&, Values<double>, Values<const double>, const Dropout&);
template void dropout_backward(ThisDevice&, Gradients<float>, Gradients<const float>, const Dropout&);
template void dropout_backward(ThisDevice&, Gradients<double>, Gradients<const double>, const Dropout&);

}  // namespace attnunet::cuda
