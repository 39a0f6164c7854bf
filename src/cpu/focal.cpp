#include "cpu/focal.h"

#include <cmath>

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {

template <class T>
void focal_forward(Device& device, double* loss, Const<Values<T>> logits, const T* target, Index N,
                   const FocalOptions& options) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
  const T gamma = static_cast<T>(options.gamma), of_lesion = static_cast<T>(options.alpha);
  const T of_background = static_cast<T>(1 - options.alpha);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    double sum = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const T z = logits.data[i], t = target[i];
      const T p = stable_sigmoid(z), not_p = stable_sigmoid(-z);
      sum += static_cast<double>(of_lesion * t * std::pow(not_p, gamma) * softplus(-z) +
                                 of_background * (T(1) - t) * std::pow(p, gamma) * softplus(z));
    }
    loss[n] = sum / static_cast<double>(P);
  }
}

template <class T>
void focal_backward(Device& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target,
                    const FocalOptions& options) {
  const Index n = size_of_same(d_logits, logits);
  const T gamma = static_cast<T>(options.gamma), scale = static_cast<T>(1.0 / static_cast<double>(n));
  const T of_lesion = static_cast<T>(options.alpha), of_background = static_cast<T>(1 - options.alpha);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) {
    const T z = logits.data[i], t = target[i];
    const T p = stable_sigmoid(z), not_p = stable_sigmoid(-z);
    const T up = of_background * (T(1) - t) * std::pow(p, gamma) * (p + gamma * not_p * softplus(z));
    const T down = of_lesion * t * std::pow(not_p, gamma) * (not_p + gamma * p * softplus(-z));
    d_logits.data[i] = (up - down) * scale;
  }
}

template void focal_forward(Device&, double*, Values<const float>, const float*, Index, const FocalOptions&);
template void focal_forward(Device&, double*, Values<const double>, const double*, Index, const FocalOptions&);
template void focal_backward(Device&, Gradients<float>, Values<const float>, const float*, const FocalOptions&);
template void focal_backward(Device&, Gradients<double>, Values<const double>, const double*, const FocalOptions&);

}  // namespace attnunet::cpu
