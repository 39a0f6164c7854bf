#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// conv_transpose2d with inputs x [N,H,W,C], w [2,2,K,C] and, where asked, b [K]; output y.
template <class B>
LayerCase conv_transpose2d_case(typename B::Device& device, const ConvTranspose2dGeometry& g, bool bias,
                                std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "conv_transpose2d " + std::to_string(g.N) + "x" + std::to_string(g.H) + "x" + std::to_string(g.W) +
                "x" + std::to_string(g.C) + " -> " + std::to_string(g.K) + (bias ? " with bias" : "");
  result.inputs = {random_array("x", g.input_pixels() * g.C, random), random_array("w", g.weights(), random)};
  if (bias) result.inputs.push_back(random_array("b", g.K, random));
  result.forward = [&device, g, bias](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto w = upload<B>(device, inputs[1]);
    const auto b = upload<B>(device, bias ? inputs[2] : Array{});
    auto y = poisoned<B>(device, 4 * g.input_pixels() * g.K);
    auto workspace = poisoned<B>(device, conv_transpose2d_workspace(device, g));
    conv_transpose2d_forward(device, values(y.data(), g.output_pixels(), g.K), values(x.data(), g.input_pixels(), g.C),
                             w.data(), b.data(), workspace.data(), g);
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, g, bias](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto w = upload<B>(device, inputs[1]);
    const auto dy = upload<B>(device, d_outputs[0]);
    auto dx = poisoned<B>(device, x.size());
    auto dw = poisoned<B>(device, w.size());
    auto db = poisoned<B>(device, bias ? g.K : 0);
    auto workspace = poisoned<B>(device, conv_transpose2d_workspace(device, g));
    const auto dy_gradients = gradients(dy.data(), g.output_pixels(), g.K);
    conv_transpose2d_backward_data(device, gradients(dx.data(), g.input_pixels(), g.C), dy_gradients, w.data(),
                                   workspace.data(), g, Write::set);
    conv_transpose2d_backward_weights(device, dw.data(), db.data(), dy_gradients,
                                      values(x.data(), g.input_pixels(), g.C), workspace.data(), g);
    std::vector<Array> result = {download<B>(device, "x", dx), download<B>(device, "w", dw)};
    if (bias) result.push_back(download<B>(device, "b", db));
    return result;
  };
  return result;
}

}  // namespace attnunet::gradcheck
