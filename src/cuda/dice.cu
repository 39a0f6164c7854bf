#include "common/core/stable_sigmoid.h"
#include "cuda/dice.h"
#include "cuda/kernel.h"
#include "cuda/reduce.h"
#include "cuda/rows.h"

namespace attnunet::cuda {
namespace {

constexpr double smoothing = 1e-5;

template <class T>
__global__ void __launch_bounds__(most_threads_of_sum)
    dice_forward_kernel(double* loss, double* sums, const T* logits, const T* target, Index P) {
  const Index n = Index{blockIdx.x};
  double pq = 0, p = 0, q = 0;
  for (Index i = n * P + Index{threadIdx.x}; i < (n + 1) * P; i += blockDim.x) {
    const double probability = static_cast<double>(stable_sigmoid(logits[i]));
    const double truth = static_cast<double>(target[i]);
    pq += probability * truth;
    p += probability;
    q += truth;
  }
  pq = block_sum(pq);
  p = block_sum(p);
  q = block_sum(q);
  if (threadIdx.x == 0) {
    sums[3 * n] = pq;
    sums[3 * n + 1] = p;
    sums[3 * n + 2] = q;
    loss[n] = 1 - (2 * pq + smoothing) / (p + q + smoothing);
  }
}

template <class T>
__global__ void dice_backward_kernel(T* dlogits, const double* sums, const T* logits, const T* target, Index P,
                                     double images, Write write) {
  const Index n = row_of_grid();
  const double denominator = sums[3 * n + 1] + sums[3 * n + 2] + smoothing;
  const T through_union = static_cast<T>((2 * sums[3 * n] + smoothing) / (denominator * denominator) / images);
  const T through_overlap = static_cast<T>(2 / denominator / images);
  for (Index pixel = first_of_row(); pixel < P; pixel += row_step()) {
    const Index i = n * P + pixel;
    const T p = stable_sigmoid(logits[i]);
    const T gradient = (through_union - through_overlap * target[i]) * p * (T(1) - p);
    dlogits[i] = write == Write::add ? dlogits[i] + gradient : gradient;
  }
}

}  // namespace

template <class M, class T>
void dice_forward(Device<M>& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
  launch(device, {"dice_forward", static_cast<unsigned>(N), threads_of_sum(P)}, dice_forward_kernel<T>, loss, sums,
         logits.data, target, P);
}

template <class M, class T>
void dice_backward(Device<M>& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits,
                   const T* target, Index N, Write write) {
  const Index P = size_of_same(d_logits, logits) / N;
  // Several pixels a thread: each begins with divisions in double, which many GPUs are slow at.
  constexpr Index pixels = 8;
  launch(device, {"dice_backward", grid_of_rows(N, (P + pixels - 1) / pixels, block_threads), block_threads},
         dice_backward_kernel<T>, d_logits.data, sums, logits.data, target, P, static_cast<double>(N), write);
}

template void dice_forward(ThisDevice&, double*, double*, Values<const float>, const float*, Index);
template void dice_forward(ThisDevice&, double*, double*, Values<const double>, const double*, Index);
template void dice_backward(ThisDevice&, Gradients<float>, const double*, Values<const float>, const float*, Index,
                            Write);
template void dice_backward(ThisDevice&, Gradients<double>, const double*, Values<const double>, const double*, Index,
                            Write);

}  // namespace attnunet::cuda
