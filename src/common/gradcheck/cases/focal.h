#pragma once

#include "common/core/focal_options.h"
#include "common/gradcheck/loss_case.h"

namespace attnunet::gradcheck {

/// focal of N images of P pixels: loss_case.
template <class B>
LayerCase focal_case(typename B::Device& device, Index N, Index P, std::vector<double> target,
                     const FocalOptions& options, std::uint64_t seed) {
  using T = typename B::Scalar;
  return loss_case<B>(
      device, "focal", {N, P, std::move(target)}, seed,
      [&device, N, options](double* losses, Values<const T> logits, const T* truth) {
        focal_forward(device, losses, logits, truth, N, options);
      },
      [&device, options](Gradients<T> d_logits, Values<const T> logits, const T* truth) {
        focal_backward(device, d_logits, logits, truth, options);
      });
}

}  // namespace attnunet::gradcheck
