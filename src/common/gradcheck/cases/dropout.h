#pragma once

#include "common/core/dropout_key.h"
#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// dropout of n values; the mask is fixed by the key.
template <class B>
LayerCase dropout_case(typename B::Device& device, Index n, const Dropout& dropout, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "dropout " + std::to_string(n);
  result.inputs = {random_array("x", n, random)};
  result.forward = [&device, n, dropout](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    auto y = poisoned<B>(device, n);
    dropout_forward(device, values(y.data(), n), values(x.data(), n), dropout);
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, n, dropout](const std::vector<Array>&, const std::vector<Array>& d_outputs) {
    const auto dy = upload<B>(device, d_outputs[0]);
    auto dx = poisoned<B>(device, n);
    dropout_backward(device, gradients(dx.data(), n), gradients(dy.data(), n), dropout);
    return std::vector<Array>{download<B>(device, "x", dx)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
