#include <cmath>

#include "common/core/stable_sigmoid.h"
#include "cuda/kernel.h"
#include "cuda/reduce.h"
#include "cuda/rows.h"
#include "cuda/tversky.h"

namespace attnunet::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(most_threads_of_sum)
    tversky_forward_kernel(double* loss, double* sums, const T* logits, const T* target, Index P,
                           TverskyOptions options) {
  const Index n = Index{blockIdx.x};
  double found = 0, missed = 0, wrong = 0;
  for (Index i = n * P + Index{threadIdx.x}; i < (n + 1) * P; i += blockDim.x) {
    const double p = static_cast<double>(stable_sigmoid(logits[i]));
    const double not_p = static_cast<double>(stable_sigmoid(-logits[i]));
    const double q = static_cast<double>(target[i]);
    found += p * q;
    missed += not_p * q;
    wrong += p * (1 - q);
  }
  found = block_sum(found);
  missed = block_sum(missed);
  wrong = block_sum(wrong);
  if (threadIdx.x == 0) {
    sums[3 * n] = found;
    sums[3 * n + 1] = missed;
    sums[3 * n + 2] = wrong;
    const double errors = options.fn * missed + options.fp * wrong;
    loss[n] = std::pow(errors / (found + TverskyOptions::epsilon + errors), options.gamma);
  }
}

template <class T>
__global__ void tversky_backward_kernel(T* dlogits, const double* sums, const T* logits, const T* target, Index P,
                                        double images, TverskyOptions options) {
  const Index n = row_of_grid();
  const double right = sums[3 * n] + TverskyOptions::epsilon;  // I + e
  const double errors = options.fn * sums[3 * n + 1] + options.fp * sums[3 * n + 2];
  const double denominator = right + errors, loss = errors / denominator;
  const double power = loss < 1e-200 ? 0 : options.gamma * std::pow(loss, options.gamma - 1);
  const double scale = power / (denominator * denominator) / images;
  const double of_background = scale * options.fp * right, of_lesion = scale * (options.fn * right + errors);
  for (Index pixel = first_of_row(); pixel < P; pixel += row_step()) {
    const Index i = n * P + pixel;
    const double p = static_cast<double>(stable_sigmoid(logits[i]));
    const double not_p = static_cast<double>(stable_sigmoid(-logits[i]));
    const double q = static_cast<double>(target[i]);
    dlogits[i] = static_cast<T>((of_background * (1 - q) - of_lesion * q) * p * not_p);
  }
}

}  // namespace

template <class M, class T>
void tversky_forward(Device<M>& device, double* loss, double* sums, Const<Values<T>> logits, const T* target, Index N,
                     const TverskyOptions& options) {
  const Index P = logits.pixels / N;
  require_dense(logits, N * P, 1);
  launch(device, {"tversky_forward", static_cast<unsigned>(N), threads_of_sum(P)}, tversky_forward_kernel<T>, loss,
         sums, logits.data, target, P, options);
}

template <class M, class T>
void tversky_backward(Device<M>& device, Gradients<T> d_logits, const double* sums, Const<Values<T>> logits,
                      const T* target, Index N, const TverskyOptions& options) {
  const Index P = size_of_same(d_logits, logits) / N;
  // Several pixels per thread: each thread begins with a power in double, which many GPUs are slow at.
  constexpr Index pixels = 16;
  launch(device, {"tversky_backward", grid_of_rows(N, (P + pixels - 1) / pixels, block_threads), block_threads},
         tversky_backward_kernel<T>, d_logits.data, sums, logits.data, target, P, static_cast<double>(N), options);
}

template void tversky_forward(ThisDevice&, double*, double*, Values<const float>, const float*, Index,
                              const TverskyOptions&);
template void tversky_forward(ThisDevice&, double*, double*, Values<const double>, const double*, Index,
                              const TverskyOptions&);
template void tversky_backward(ThisDevice&, Gradients<float>, const double*, Values<const float>, const float*, Index,
                               const TverskyOptions&);
template void tversky_backward(ThisDevice&, Gradients<double>, const double*, Values<const double>, const double*,
                               Index, const TverskyOptions&);

}  // namespace attnunet::cuda
