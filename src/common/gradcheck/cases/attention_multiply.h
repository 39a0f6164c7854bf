#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// attention_multiply of x [pixels, C] and alpha [pixels]; inputs x, alpha.
template <class B>
LayerCase attention_multiply_case(typename B::Device& device, Index pixels, Index C, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "attention_multiply " + std::to_string(C);
  result.inputs = {random_array("x", pixels * C, random), random_array("alpha", pixels, random, 0.5, 0.2)};
  result.forward = [&device, pixels, C](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto alpha = upload<B>(device, inputs[1]);
    auto y = poisoned<B>(device, pixels * C);
    attention_multiply_forward(device, values(y.data(), pixels, C), values(x.data(), pixels, C),
                               values(alpha.data(), pixels));
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, pixels, C](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto alpha = upload<B>(device, inputs[1]);
    const auto dy = upload<B>(device, d_outputs[0]);
    auto dx = poisoned<B>(device, pixels * C);
    auto dalpha = poisoned<B>(device, pixels);
    attention_multiply_backward(device, gradients(dx.data(), pixels, C), gradients(dalpha.data(), pixels),
                                gradients(dy.data(), pixels, C), values(x.data(), pixels, C),
                                values(alpha.data(), pixels));
    return std::vector<Array>{download<B>(device, "x", dx), download<B>(device, "alpha", dalpha)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
