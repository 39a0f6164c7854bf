#include "cpu/adam.h"

#include <cmath>

namespace attnunet::cpu {

template <class T>
void adam_step(Device& device, T* w, T* m, T* v, const T* g, Index n, const AdamOptions& options) {
  const double t = static_cast<double>(options.step);
  const T step_size = static_cast<T>(options.lr / (1 - std::pow(options.beta1, t)));
  const T root_correction = static_cast<T>(std::sqrt(1 - std::pow(options.beta2, t)));
  const T keep = static_cast<T>(1 - options.lr * options.weight_decay);
  const T beta1 = static_cast<T>(options.beta1), rest1 = static_cast<T>(1 - options.beta1);
  const T beta2 = static_cast<T>(options.beta2), rest2 = static_cast<T>(1 - options.beta2);
  const T eps = static_cast<T>(options.eps);
#pragma omp parallel for simd schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) {
    m[i] = beta1 * m[i] + rest1 * g[i];
    v[i] = beta2 * v[i] + rest2 * g[i] * g[i];
    w[i] = keep * w[i] - step_size * (m[i] / (std::sqrt(v[i]) / root_correction + eps));
  }
}

template void adam_step(Device&, float*, float*, float*, const float*, Index, const AdamOptions&);
template void adam_step(Device&, double*, double*, double*, const double*, Index, const AdamOptions&);

}  // namespace attnunet::cpu
