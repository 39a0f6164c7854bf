#include "cpu/fold_batch_norm.h"

#include <cmath>

#include "common/core/batch_norm_constants.h"

namespace attnunet::cpu {

template <class T>
void fold_batch_norm(Device& device, T* w, BatchNormParameters<T> parameters, Const<RunningStatistics<T>> running,
                     Index K, Index n) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index k = 0; k < K; ++k) {
    const double scale =
        static_cast<double>(parameters.gamma[k]) / std::sqrt(static_cast<double>(running.var[k]) + batch_norm_eps);
    T* weights = w + k * n;
#pragma omp simd
    for (Index i = 0; i < n; ++i) weights[i] = static_cast<T>(scale * static_cast<double>(weights[i]));
    T& beta = parameters.beta[k];
    beta = static_cast<T>(static_cast<double>(beta) - scale * static_cast<double>(running.mean[k]));
  }
}

template void fold_batch_norm(Device&, float*, BatchNormParameters<float>, RunningStatistics<const float>, Index,
                              Index);
template void fold_batch_norm(Device&, double*, BatchNormParameters<double>, RunningStatistics<const double>, Index,
                              Index);

}  // namespace attnunet::cpu
