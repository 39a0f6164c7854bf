#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// edge_pad of x, shape `in`, to H x W.
template <class B>
LayerCase edge_pad_case(typename B::Device& device, Shape in, Index H, Index W, std::uint64_t seed) {
  const Index out = in.N * H * W * in.C;
  Random random(seed);
  LayerCase result;
  result.name = "edge_pad " + std::to_string(in.H) + "x" + std::to_string(in.W) + " to " + std::to_string(H) + "x" +
                std::to_string(W);
  result.inputs = {random_array("x", in.size(), random)};
  result.forward = [&device, in, H, W, out](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    auto y = poisoned<B>(device, out);
    edge_pad_forward(device, values(y.data(), in.N * H * W, in.C), values(x.data(), in), in, H, W);
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, in, H, W](const std::vector<Array>&, const std::vector<Array>& d_outputs) {
    const auto dy = upload<B>(device, d_outputs[0]);
    auto dx = poisoned<B>(device, in.size());
    edge_pad_backward(device, gradients(dx.data(), in), gradients(dy.data(), in.N * H * W, in.C), in, H, W);
    return std::vector<Array>{download<B>(device, "x", dx)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
