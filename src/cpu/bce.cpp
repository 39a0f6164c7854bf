#include "cpu/bce.h"

#include <algorithm>
#include <cmath>

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {

template <class T>
void bce_forward(Device& device, double* loss, Const<Values<T>> logits, const T* target, Index N) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    double sum = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const T z = logits.data[i];
      // std::max(z, 0) is NaN for a NaN z, as it must be.
      sum += static_cast<double>(std::max(z, T(0)) - z * target[i] + std::log1p(std::exp(-std::abs(z))));
    }
    loss[n] = sum / static_cast<double>(P);
  }
}

template <class T>
void bce_backward(Device& device, Gradients<T> d_logits, Const<Values<T>> logits, const T* target, Write write) {
  const Index n = size_of_same(d_logits, logits);
  const T scale = static_cast<T>(1.0 / static_cast<double>(n));
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index i = 0; i < n; ++i) {
    const T gradient = (stable_sigmoid(logits.data[i]) - target[i]) * scale;
    T& result = d_logits.data[i];
    result = write == Write::add ? result + gradient : gradient;
  }
}

template void bce_forward(Device&, double*, Values<const float>, const float*, Index);
template void bce_forward(Device&, double*, Values<const double>, const double*, Index);
template void bce_backward(Device&, Gradients<float>, Values<const float>, const float*, Write);
template void bce_backward(Device&, Gradients<double>, Values<const double>, const double*, Write);

}  // namespace attnunet::cpu
