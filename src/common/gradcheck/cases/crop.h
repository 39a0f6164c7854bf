#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// crop of x [out.N, H, W, out.C] to shape `out`.
template <class B>
LayerCase crop_case(typename B::Device& device, Shape out, Index H, Index W, std::uint64_t seed) {
  const Index in = out.N * H * W * out.C;
  Random random(seed);
  LayerCase result;
  result.name = "crop " + std::to_string(H) + "x" + std::to_string(W) + " to " + std::to_string(out.H) + "x" +
                std::to_string(out.W);
  result.inputs = {random_array("x", in, random)};
  result.forward = [&device, out, H, W](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    auto y = poisoned<B>(device, out.size());
    crop_forward(device, values(y.data(), out), values(x.data(), out.N * H * W, out.C), out, H, W);
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, out, H, W, in](const std::vector<Array>&, const std::vector<Array>& d_outputs) {
    const auto dy = upload<B>(device, d_outputs[0]);
    auto dx = poisoned<B>(device, in);
    crop_backward(device, gradients(dx.data(), out.N * H * W, out.C), gradients(dy.data(), out), out, H, W);
    return std::vector<Array>{download<B>(device, "x", dx)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
