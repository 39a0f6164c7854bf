#include "cpu/fold_batch_norm.h"

#include <cmath>

#include "common/core/batch_norm_constants.h"

namespace attnunet::cpu {

template <class T>
void fold_batch_norm(Device& device, T* w, T* beta, const T* gamma, const T* running_mean, const T* running_var,
                     Index K, Index n) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index k = 0; k < K; ++k) {
    const double scale =
        static_cast<double>(gamma[k]) / std::sqrt(static_cast<double>(running_var[k]) + batch_norm_eps);
    T* weights = w + k * n;
#pragma omp simd
    for (Index i = 0; i < n; ++i) weights[i] = static_cast<T>(scale * static_cast<double>(weights[i]));
    beta[k] = static_cast<T>(static_cast<double>(beta[k]) - scale * static_cast<double>(running_mean[k]));
  }
}

template void fold_batch_norm(Device&, float*, float*, const float*, const float*, const float*, Index, Index);
template void fold_batch_norm(Device&, double*, double*, const double*, const double*, const double*, Index, Index);

}  // namespace attnunet::cpu
