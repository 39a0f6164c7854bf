#include <cmath>

#include "common/core/stable_sigmoid.h"
#include "cuda/focal.h"
#include "cuda/kernel.h"
#include "cuda/reduce.h"

namespace attnunet::cuda {
namespace {

/// FocalOptions in the precision of the logits.
template <class T>
struct FocalFactors {
  T gamma, of_lesion, of_background;

  explicit FocalFactors(const FocalOptions& options)
      : gamma(static_cast<T>(options.gamma)),
        of_lesion(static_cast<T>(options.alpha)),
        of_background(static_cast<T>(1 - options.alpha)) {}
};

template <class T>
__global__ void __launch_bounds__(most_threads_of_sum)
    focal_forward_kernel(double* loss, const T* logits, const T* target, Index P, FocalFactors<T> f) {
  const Index n = Index{blockIdx.x};
  double sum = 0;
  for (Index i = n * P + Index{threadIdx.x}; i < (n + 1) * P; i += blockDim.x) {
    const T z = logits[i], t = target[i];
    const T p = stable_sigmoid(z), not_p = stable_sigmoid(-z);
    sum += static_cast<double>(f.of_lesion * t * std::pow(not_p, f.gamma) * softplus(-z) +
                               f.of_background * (T(1) - t) * std::pow(p, f.gamma) * softplus(z));
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) loss[n] = sum / static_cast<double>(P);
}

template <class T>
__global__ void focal_backward_kernel(T* dlogits, const T* logits, const T* target, T scale, Index n,
                                      FocalFactors<T> f) {
  const Index i = thread_of_grid();
  if (i >= n) return;
  const T z = logits[i], t = target[i];
  const T p = stable_sigmoid(z), not_p = stable_sigmoid(-z);
  const T up = f.of_background * (T(1) - t) * std::pow(p, f.gamma) * (p + f.gamma * not_p * softplus(z));
  const T down = f.of_lesion * t * std::pow(not_p, f.gamma) * (not_p + f.gamma * p * softplus(-z));
  dlogits[i] = (up - down) * scale;
}

}  // namespace

template <class M, class T>
void focal_forward(Device<M>& device, double* loss, Const<Values<T>> logits, const T* target, Index N,
                   const FocalOptions& options) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
  launch(device, {"focal_forward", static_cast<unsigned>(N), threads_of_sum(P)}, focal_forward_kernel<T>, loss,
         logits.data, target, P, FocalFactors<T>(options));
}

template <class M, class T>
void focal_backward(Device<M>& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target,
                    const FocalOptions& options) {
  const Index n = size_of_same(d_logits, logits);
  const T scale = static_cast<T>(1.0 / static_cast<double>(n));
  launch(device, {"focal_backward", blocks_for(n, block_threads), block_threads}, focal_backward_kernel<T>,
         d_logits.data, logits.data, target, scale, n, FocalFactors<T>(options));
}

template void focal_forward(ThisDevice&, double*, Values<const float>, const float*, Index, const FocalOptions&);
template void focal_forward(ThisDevice&, double*, Values<const double>, const double*, Index, const FocalOptions&);
template void focal_backward(ThisDevice&, Gradients<float>, Values<const float>, const float*, const FocalOptions&);
template void focal_backward(ThisDevice&, Gradients<double>, Values<const double>, const double*, const FocalOptions&);

}  // namespace attnunet::cuda
