#pragma once

#include "common/core/batch_norm_views.h"
#include "common/core/dropout_key.h"
#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// conv2d_statistics and the batch norm (with ReLU, without dropout) that takes its statistics: the backward of the
/// pair is that of batch norm, then conv2d's. Inputs x [N,H,W,C], w [K,R,R,C], gamma, beta [K]; output the
/// normalised and clipped tensor.
template <class B>
LayerCase conv2d_statistics_case(typename B::Device& device, const Conv2dGeometry& g, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "conv2d_statistics " + std::to_string(g.R) + "x" + std::to_string(g.R) + " " + std::to_string(g.N) +
                "x" + std::to_string(g.H) + "x" + std::to_string(g.W) + "x" + std::to_string(g.C) + " -> " +
                std::to_string(g.K);
  result.inputs = {random_array("x", g.pixels() * g.C, random, 0.5), random_array("w", g.weights(), random),
                   random_array("gamma", g.K, random, 1.0, 0.5), random_array("beta", g.K, random)};
  auto run = [&device, g](const std::vector<Array>& inputs, const Array* d_output) {
    using T = typename B::Scalar;
    const Index pixels = g.pixels(), size = pixels * g.K;
    const auto x = upload<B>(device, inputs[0]);
    const auto w = upload<B>(device, inputs[1]);
    const auto gamma = upload<B>(device, inputs[2]);
    const auto beta = upload<B>(device, inputs[3]);
    const Array zeros{"", std::vector<double>(static_cast<std::size_t>(g.K))};
    auto running_mean = upload<B>(device, zeros);
    auto running_var = upload<B>(device, zeros);
    auto out = poisoned<B>(device, size);
    auto mean = poisoned<B>(device, g.K);
    auto inv_std = poisoned<B>(device, g.K);
    auto y = poisoned<B>(device, size);
    const BatchStatistics<T> batch{mean.data(), inv_std.data()};
    const BatchNormParameters<const T> parameters{gamma.data(), beta.data()};
    const Values<const T> x_values = values(x.data(), pixels, g.C);
    const Values<T> out_values = values(out.data(), pixels, g.K), y_values = values(y.data(), pixels, g.K);
    {
      auto workspace = poisoned<B>(device, conv2d_statistics_workspace(device, g));
      conv2d_statistics_forward(device, out_values, batch,
                                RunningStatistics<T>{running_mean.data(), running_var.data()}, x_values, w.data(),
                                workspace.data(), g);
    }
    batch_norm_relu_dropout_forward(device, y_values, out_values, batch, parameters, Dropout{});
    if (d_output == nullptr) return std::vector<Array>{download<B>(device, "y", y)};
    const auto dy = upload<B>(device, *d_output);
    auto d_out = poisoned<B>(device, size);
    auto dgamma = poisoned<B>(device, g.K);
    auto dbeta = poisoned<B>(device, g.K);
    auto dx = poisoned<B>(device, x.size());
    auto dw = poisoned<B>(device, w.size());
    const Gradients<T> d_out_gradients = gradients(d_out.data(), pixels, g.K);
    T* no_bias = nullptr;
    {
      auto workspace = poisoned<B>(device, batch_norm_relu_dropout_workspace(device, pixels, g.K));
      batch_norm_relu_dropout_backward(device, d_out_gradients, BatchNormParameters<T>{dgamma.data(), dbeta.data()},
                                       gradients(dy.data(), pixels, g.K), y_values, {out_values, batch, parameters},
                                       0.0, workspace.data());
    }
    auto workspace = poisoned<B>(device, conv2d_workspace(device, g));
    conv2d_backward_data(device, gradients(dx.data(), pixels, g.C), d_out_gradients, w.data(), workspace.data(), g,
                         Write::set);
    conv2d_backward_weights(device, dw.data(), no_bias, d_out_gradients, x_values, workspace.data(), g);
    return std::vector<Array>{download<B>(device, "x", dx), download<B>(device, "w", dw),
                              download<B>(device, "gamma", dgamma), download<B>(device, "beta", dbeta)};
  };
  result.forward = [run](const std::vector<Array>& inputs) {
    Forward at{run(inputs, nullptr), {}};
    at.active_set = positive(at.outputs[0]);
    return at;
  };
  result.backward = [run](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    return run(inputs, &d_outputs[0]);
  };
  return result;
}

}  // namespace attnunet::gradcheck
