#include "cpu/tversky.h"

#include <cmath>

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {

template <class T>
void tversky_forward(Device& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N,
                     const TverskyOptions& options) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    double found = 0, missed = 0, wrong = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const double p = static_cast<double>(stable_sigmoid(logits.data[i]));
      const double not_p = static_cast<double>(stable_sigmoid(-logits.data[i]));
      const double q = static_cast<double>(target[i]);
      found += p * q;
      missed += not_p * q;
      wrong += p * (1 - q);
    }
    sums[3 * n] = found;
    sums[3 * n + 1] = missed;
    sums[3 * n + 2] = wrong;
    const double errors = options.fn * missed + options.fp * wrong;
    loss[n] = std::pow(errors / (found + TverskyOptions::epsilon + errors), options.gamma);
  }
}

template <class T>
void tversky_backward(Device& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits,
                      const T* target, Index N, const TverskyOptions& options) {
  const Index P = size_of_same(d_logits, logits) / N;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    const double right = sums[3 * n] + TverskyOptions::epsilon;  // I + e
    const double errors = options.fn * sums[3 * n + 1] + options.fp * sums[3 * n + 2];
    const double denominator = right + errors, loss = errors / denominator;
    const double power = loss < 1e-200 ? 0 : options.gamma * std::pow(loss, options.gamma - 1);
    const double scale = power / (denominator * denominator) / static_cast<double>(N);
    const double of_background = scale * options.fp * right, of_lesion = scale * (options.fn * right + errors);
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const double p = static_cast<double>(stable_sigmoid(logits.data[i]));
      const double not_p = static_cast<double>(stable_sigmoid(-logits.data[i]));
      const double q = static_cast<double>(target[i]);
      d_logits.data[i] = static_cast<T>((of_background * (1 - q) - of_lesion * q) * p * not_p);
    }
  }
}

template void tversky_forward(Device&, double*, double*, Values<const float>, const float*, Index,
                              const TverskyOptions&);
template void tversky_forward(Device&, double*, double*, Values<const double>, const double*, Index,
                              const TverskyOptions&);
template void tversky_backward(Device&, Gradients<float>, const double*, Values<const float>, const float*, Index,
                               const TverskyOptions&);
template void tversky_backward(Device&, Gradients<double>, const double*, Values<const double>, const double*, Index,
                               const TverskyOptions&);

}  // namespace attnunet::cpu
