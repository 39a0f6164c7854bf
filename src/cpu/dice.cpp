#include "cpu/dice.h"

#include "common/core/stable_sigmoid.h"

namespace attnunet::cpu {
namespace {

constexpr double smoothing = 1e-5;

}  // namespace

template <class T>
void dice_forward(Device& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    double pq = 0, p = 0, q = 0;
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const double probability = static_cast<double>(stable_sigmoid(logits.data[i]));
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
void dice_backward(Device& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits, const T* target,
                   Index N, Write write) {
  const Index P = size_of_same(d_logits, logits) / N;
#pragma omp parallel for schedule(static) num_threads(device.threads())
  for (Index n = 0; n < N; ++n) {
    const double denominator = sums[3 * n + 1] + sums[3 * n + 2] + smoothing;
    const double images = static_cast<double>(N);
    const T through_union = static_cast<T>((2 * sums[3 * n] + smoothing) / (denominator * denominator) / images);
    const T through_overlap = static_cast<T>(2 / denominator / images);
    for (Index i = n * P; i < (n + 1) * P; ++i) {
      const T p = stable_sigmoid(logits.data[i]);
      const T gradient = (through_union - through_overlap * target[i]) * p * (T(1) - p);
      T& result = d_logits.data[i];
      result = write == Write::add ? result + gradient : gradient;
    }
  }
}

template void dice_forward(Device&, double*, double*, Values<const float>, const float*, Index);
template void dice_forward(Device&, double*, double*, Values<const double>, const double*, Index);
template void dice_backward(Device&, Gradients<float>, const double*, Values<const float>, const float*, Index, Write);
template void dice_backward(Device&, Gradients<double>, const double*, Values<const double>, const double*, Index,
                            Write);

}  // namespace attnunet::cpu
