#pragma once

#include "common/gradcheck/loss_case.h"

namespace attnunet::gradcheck {

/// dice of N images of P pixels: loss_case.
template <class B>
LayerCase dice_case(typename B::Device& device, Index N, Index P, std::vector<double> target, std::uint64_t seed) {
  using T = typename B::Scalar;
  return loss_case<B>(
      device, "dice", {N, P, std::move(target)}, seed,
      [&device, N](double* losses, Values<const T> logits, const T* truth) {
        typename B::template Buffer<double> sums(device, 3 * N);
        dice_forward(device, losses, sums.data(), logits, truth, N);
      },
      [&device, N](Gradients<T> d_logits, Values<const T> logits, const T* truth) {
        typename B::template Buffer<double> losses(device, N), sums(device, 3 * N);
        dice_forward(device, losses.data(), sums.data(), logits, truth, N);
        dice_backward(device, d_logits, sums.data(), logits, truth, N, Write::set);
      });
}

}  // namespace attnunet::gradcheck
