#include "common/core/batch_norm_constants.h"
#include "cuda/fold_batch_norm.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned threads = 128;

template <class T>
__global__ void fold_batch_norm_kernel(T* w, T* beta, const T* gamma, const T* running_mean, const T* running_var,
                                       Index n) {
  const Index k = blockIdx.x;
  const double scale = static_cast<double>(gamma[k]) / sqrt(static_cast<double>(running_var[k]) + batch_norm_eps);
  T* weights = w + k * n;
  for (Index i = threadIdx.x; i < n; i += threads) weights[i] = static_cast<T>(scale * static_cast<double>(weights[i]));
  if (threadIdx.x == 0)
    beta[k] = static_cast<T>(static_cast<double>(beta[k]) - scale * static_cast<double>(running_mean[k]));
}

}  // namespace

template <class M, class T>
void fold_batch_norm(Device<M>& device, T* w, T* beta, const T* gamma, const T* running_mean, const T* running_var,
                     Index K, Index n) {
  launch(device, {"fold_batch_norm", static_cast<unsigned>(K), threads}, fold_batch_norm_kernel<T>, w, beta, gamma,
         running_mean, running_var, n);
}

template void fold_batch_norm(ThisDevice&, float*, float*, const float*, const float*, const float*, Index, Index);
template void fold_batch_norm(ThisDevice&, double*, double*, const double*, const double*, const double*, Index, Index);

}  // namespace attnunet::cuda
