#include "common/core/batch_norm_constants.h"
#include "cuda/fold_batch_norm.h"
#include "cuda/kernel.h"

namespace attnunet::cuda {
namespace {

constexpr unsigned filter_threads = 128;

template <class T>
__global__ void fold_batch_norm_kernel(T* w, BatchNormParameters<T> parameters, RunningStatistics<const T> running,
                                       Index n) {
  const Index k = blockIdx.x;
  const double scale =
      static_cast<double>(parameters.gamma[k]) / sqrt(static_cast<double>(running.var[k]) + batch_norm_eps);
  T* weights = w + k * n;
  for (Index i = threadIdx.x; i < n; i += filter_threads)
    weights[i] = static_cast<T>(scale * static_cast<double>(weights[i]));
  if (threadIdx.x > 0) return;
  T& beta = parameters.beta[k];
  beta = static_cast<T>(static_cast<double>(beta) - scale * static_cast<double>(running.mean[k]));
}

}  // namespace

template <class M, class T>
void fold_batch_norm(Device<M>& device, T* w, BatchNormParameters<T> parameters, Const<RunningStatistics<T>> running,
                     Index K, Index n) {
  launch(device, {"fold_batch_norm", static_cast<unsigned>(K), filter_threads}, fold_batch_norm_kernel<T>, w,
         parameters, running, n);
}

template void fold_batch_norm(ThisDevice&, float*, BatchNormParameters<float>, RunningStatistics<const float>, Index,
                              Index);
template void fold_batch_norm(ThisDevice&, double*, BatchNormParameters<double>, RunningStatistics<const double>, Index,
                              Index);

}  // namespace attnunet::cuda
