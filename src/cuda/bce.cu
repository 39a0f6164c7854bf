#include <cmath>

#include "common/core/stable_sigmoid.h"
#include "cuda/bce.h"
#include "cuda/kernel.h"
#include "cuda/reduce.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(most_threads_of_sum)
    bce_forward_kernel(double* loss, const T* logits, const T* target, Index P) {
  const Index n = Index{blockIdx.x};
  double sum = 0;
  for (Index i = n * P + Index{threadIdx.x}; i < (n + 1) * P; i += blockDim.x) {
    const T z = logits[i];
    const T positive = z < T(0) ? T(0) : z;  // NaN for a NaN z, as it must be
    sum += static_cast<double>(positive - z * target[i] + std::log1p(std::exp(-std::abs(z))));
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) loss[n] = sum / static_cast<double>(P);
}

template <class T>
__global__ void bce_backward_kernel(T* dlogits, const T* logits, const T* target, T scale, Index n, Write write) {
  const Index i = thread_of_grid();
  if (i >= n) return;
  const T gradient = (stable_sigmoid(logits[i]) - target[i]) * scale;
  dlogits[i] = write == Write::add ? dlogits[i] + gradient : gradient;
}

}  // namespace

template <class M, class T>
void bce_forward(Device<M>& device, double* loss, Const<Values<T>> logits, const T* target, Index N) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
  launch(device, {"bce_forward", static_cast<unsigned>(N), threads_of_sum(P)}, bce_forward_kernel<T>, loss, logits.data,
         target, P);
}

template <class M, class T>
void bce_backward(Device<M>& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target, Write write) {
  const Index n = size_of_same(d_logits, logits);
  const T scale = static_cast<T>(1.0 / static_cast<double>(n));
  launch(device, {"bce_backward", blocks_for(n, block_threads), block_threads}, bce_backward_kernel<T>, d_logits.data,
         logits.data, target, scale, n, write);
}

template void bce_forward(ThisDevice&, double*, Values<const float>, const float*, Index);
template void bce_forward(ThisDevice&, double*, Values<const double>, const double*, Index);
template void bce_backward(ThisDevice&, Gradients<float>, Values<const float>, const float*, Write);
template void bce_backward(ThisDevice&, Gradients<double>, Values<const double>, const double*, Write);

}  // namespace attnunet::cuda
