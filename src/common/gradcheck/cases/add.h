#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// add of n values; inputs a, b.
template <class B>
LayerCase add_case(typename B::Device& device, Index n, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "add " + std::to_string(n);
  result.inputs = {random_array("a", n, random), random_array("b", n, random)};
  result.forward = [&device, n](const std::vector<Array>& inputs) {
    const auto a = upload<B>(device, inputs[0]);
    const auto b = upload<B>(device, inputs[1]);
    auto y = poisoned<B>(device, n);
    add_forward(device, values(y.data(), n), values(a.data(), n), values(b.data(), n));
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [](const std::vector<Array>&, const std::vector<Array>& d_outputs) {
    return std::vector<Array>{{"a", d_outputs[0].values}, {"b", d_outputs[0].values}};
  };
  return result;
}

}  // namespace attnunet::gradcheck
