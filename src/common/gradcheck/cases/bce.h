#pragma once

#include "common/gradcheck/loss_case.h"

namespace attnunet::gradcheck {

/// bce of N images of P pixels: loss_case.
template <class B>
LayerCase bce_case(typename B::Device& device, Index N, Index P, std::vector<double> target, std::uint64_t seed) {
  using T = typename B::Scalar;
  return loss_case<B>(
      device, "bce", {N, P, std::move(target)}, seed,
      [&device, N](double* losses, Values<const T> logits, const T* truth) {
        bce_forward(device, losses, logits, truth, N);
      },
      [&device](Gradients<T> d_logits, Values<const T> logits, const T* truth) {
        bce_backward(device, d_logits, logits, truth, Write::set);
      });
}

}  // namespace attnunet::gradcheck
