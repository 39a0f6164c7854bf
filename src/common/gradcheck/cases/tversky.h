#pragma once

#include "common/core/tversky_options.h"
#include "common/gradcheck/loss_case.h"

namespace attnunet::gradcheck {

/// tversky of N images of P pixels: loss_case.
template <class B>
LayerCase tversky_case(typename B::Device& device, Index N, Index P, std::vector<double> target,
                       const TverskyOptions& options, std::uint64_t seed) {
  using T = typename B::Scalar;
  return loss_case<B>(
      device, "tversky", {N, P, std::move(target)}, seed,
      [&device, N, options](double* losses, Values<const T> logits, const T* truth) {
        typename B::template Buffer<double> sums(device, 3 * N);
        tversky_forward(device, losses, sums.data(), logits, truth, N, options);
      },
      [&device, N, options](Gradients<T> d_logits, Values<const T> logits, const T* truth) {
        typename B::template Buffer<double> losses(device, N), sums(device, 3 * N);
        tversky_forward(device, losses.data(), sums.data(), logits, truth, N, options);
        tversky_backward(device, d_logits, sums.data(), logits, truth, N, options);
      });
}

}  // namespace attnunet::gradcheck
