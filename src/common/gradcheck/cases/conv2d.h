#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// conv2d with inputs x [N,H,W,C], w [K,R,R,C] and, where asked, b [K]; output y.
template <class B>
LayerCase conv2d_case(typename B::Device& device, const Conv2dGeometry& g, bool bias, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "conv2d " + std::to_string(g.R) + "x" + std::to_string(g.R) + " " + std::to_string(g.N) + "x" +
                std::to_string(g.H) + "x" + std::to_string(g.W) + "x" + std::to_string(g.C) + " -> " +
                std::to_string(g.K) + (bias ? " with bias" : "");
  result.inputs = {random_array("x", g.pixels() * g.C, random), random_array("w", g.weights(), random)};
  if (bias) result.inputs.push_back(random_array("b", g.K, random));
  result.forward = [&device, g, bias](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto w = upload<B>(device, inputs[1]);
    const auto b = upload<B>(device, bias ? inputs[2] : Array{});
    auto y = poisoned<B>(device, g.pixels() * g.K);
    auto workspace = poisoned<B>(device, conv2d_workspace(device, g));
    conv2d_forward(device, values(y.data(), g.pixels(), g.K), values(x.data(), g.pixels(), g.C), w.data(), {b.data()},
                   workspace.data(), g);
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, g, bias](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto w = upload<B>(device, inputs[1]);
    const auto dy = upload<B>(device, d_outputs[0]);
    auto dx = poisoned<B>(device, x.size());
    auto dw = poisoned<B>(device, w.size());
    auto db = poisoned<B>(device, bias ? g.K : 0);
    auto workspace = poisoned<B>(device, conv2d_workspace(device, g));
    const auto dy_gradients = gradients(dy.data(), g.pixels(), g.K);
    conv2d_backward_data(device, gradients(dx.data(), g.pixels(), g.C), dy_gradients, w.data(), workspace.data(), g,
                         Write::set);
    conv2d_backward_weights(device, dw.data(), db.data(), dy_gradients, values(x.data(), g.pixels(), g.C),
                            workspace.data(), g);
    std::vector<Array> result = {download<B>(device, "x", dx), download<B>(device, "w", dw)};
    if (bias) result.push_back(download<B>(device, "b", db));
    return result;
  };
  return result;
}

}  // namespace attnunet::gradcheck
