#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// sigmoid of n values.
template <class B>
LayerCase sigmoid_case(typename B::Device& device, Index n, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "sigmoid " + std::to_string(n);
  result.inputs = {random_array("x", n, random, 0, 2)};
  result.forward = [&device, n](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    auto y = poisoned<B>(device, n);
    sigmoid_forward(device, values(y.data(), n), values(x.data(), n));
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, n](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto dy = upload<B>(device, d_outputs[0]);
    auto y = poisoned<B>(device, n);
    auto dx = poisoned<B>(device, n);
    sigmoid_forward(device, values(y.data(), n), values(x.data(), n));
    sigmoid_backward(device, gradients(dx.data(), n), gradients(dy.data(), n), values(y.data(), n));
    return std::vector<Array>{download<B>(device, "x", dx)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
