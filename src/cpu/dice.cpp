#include "cpu/dice.h"

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {
namespace {

constexpr double smoothing = 1e-5;

}  // namespace

template <class T>
void dice_forward(Device& device, double* loss, double* sums, const T* logits, const T* target, Index N, Index P) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    double pq = 0, p = 0, q = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const double probability = static_cast<double>(stable_sigmoid(logits[i]));
      const double truth = static_cast<double>(target[i]);
      pq += probability * truth;
      p += probability;
      q += truth;
    }
    sums[3 * n] = pq;
    sums[3 * n + 1] = p;
    sums[3 * n + 2] = q;
    loss[n] = 1 - (2 * pq + smoothing) / (p + q + smoothing);
  }
}

template <class T>
void dice_backward(Device& device, T* dlogits, const double* sums, const T* logits, const T* target, Index N, Index P,
                   Write write) {
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    const double denominator = sums[3 * n + 1] + sums[3 * n + 2] + smoothing;
    const double images = static_cast<double>(N);
    const T through_union = static_cast<T>((2 * sums[3 * n] + smoothing) / (denominator * denominator) / images);
    const T through_overlap = static_cast<T>(2 / denominator / images);
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const T p = stable_sigmoid(logits[i]);
      const T gradient = (through_union - through_overlap * target[i]) * p * (T(1) - p);
      dlogits[i] = write == Write::add ? dlogits[i] + gradient : gradient;
    }
  }
}

template void dice_forward(Device&, double*, double*, const float*, const float*, Index, Index);
template void dice_forward(Device&, double*, double*, const double*, const double*, Index, Index);
template void dice_backward(Device&, float*, const double*, const float*, const float*, Index, Index, Write);
template void dice_backward(Device&, double*, const double*, const double*, const double*, Index, Index, Write);

}  // namespace attnunet::cpu
