#include "cpu/bce.h"

#include <algorithm>
#include <cmath>

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {

template <class T>
void bce_forward(Device& device, double* loss, const T* logits, const T* target, Index N, Index P) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    double sum = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const T z = logits[i];
      // std::max(z, 0) is NaN for a NaN z, as it must be.
      sum += static_cast<double>(std::max(z, T(0)) - z * target[i] + std::log1p(std::exp(-std::abs(z))));
    }
    loss[n] = sum / static_cast<double>(P);
  }
}

template <class T>
void bce_backward(Device& device, T* dlogits, const T* logits, const T* target, Index N, Index P, Write write) {
  const T scale = static_cast<T>(1.0 / static_cast<double>(N * P));
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index i = 0; i < N * P; ++i) {
    const T gradient = (stable_sigmoid(logits[i]) - target[i]) * scale;
    dlogits[i] = write == Write::add ? dlogits[i] + gradient : gradient;
  }
}

template void bce_forward(Device&, double*, const float*, const float*, Index, Index);
template void bce_forward(Device&, double*, const double*, const double*, Index, Index);
template void bce_backward(Device&, float*, const float*, const float*, Index, Index, Write);
template void bce_backward(Device&, double*, const double*, const double*, Index, Index, Write);

}  // namespace attnunet::cpu
