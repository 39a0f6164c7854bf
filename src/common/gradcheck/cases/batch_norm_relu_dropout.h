#pragma once

#include "common/core/dropout_key.h"
#include "common/gradcheck/cases/batch_norm.h"

namespace attnunet::gradcheck {

/// Batch norm, ReLU and dropout in one, with x's own statistics; inputs x, gamma, beta; output y.
template <class B>
LayerCase batch_norm_relu_dropout_case(typename B::Device& device, Index pixels, Index C, const Dropout& dropout,
                                       std::uint64_t seed) {
  using T = typename B::Scalar;
  Random random(seed);
  LayerCase result;
  result.name = "batch_norm_relu_dropout " + std::to_string(pixels) + "x" + std::to_string(C);
  result.inputs = batch_norm_inputs(pixels, C, random);
  auto run = [&device, pixels, C, dropout](const std::vector<Array>& inputs, const Array* d_output) {
    const auto x = upload<B>(device, inputs[0]);
    const auto gamma = upload<B>(device, inputs[1]);
    const auto beta = upload<B>(device, inputs[2]);
    const Array zeros{"", std::vector<double>(static_cast<std::size_t>(C))};
    auto running_mean = upload<B>(device, zeros);
    auto running_var = upload<B>(device, zeros);
    auto y = poisoned<B>(device, pixels * C);
    auto mean = poisoned<B>(device, C);
    auto inv_std = poisoned<B>(device, C);
    const BatchStatistics<T> batch{mean.data(), inv_std.data()};
    const BatchNormParameters<const T> parameters{gamma.data(), beta.data()};
    const Values<const T> x_values = values(x.data(), pixels, C);
    const Values<T> y_values = values(y.data(), pixels, C);
    {
      typename B::template Buffer<T> workspace(device, batch_norm_workspace(device, pixels, C));
      batch_norm_statistics(device, batch, RunningStatistics<T>{running_mean.data(), running_var.data()}, x_values,
                            workspace.data());
    }
    batch_norm_relu_dropout_forward(device, y_values, x_values, batch, parameters, dropout);
    if (d_output == nullptr) return std::vector<Array>{download<B>(device, "y", y)};
    const auto dy = upload<B>(device, *d_output);
    auto dx = poisoned<B>(device, pixels * C);
    auto dgamma = poisoned<B>(device, C);
    auto dbeta = poisoned<B>(device, C);
    auto workspace = poisoned<B>(device, batch_norm_relu_dropout_workspace(device, pixels, C));
    batch_norm_relu_dropout_backward(
        device, gradients(dx.data(), pixels, C), BatchNormParameters<T>{dgamma.data(), dbeta.data()},
        gradients(dy.data(), pixels, C), y_values, {x_values, batch, parameters}, dropout.rate, workspace.data());
    return std::vector<Array>{download<B>(device, "x", dx), download<B>(device, "gamma", dgamma),
                              download<B>(device, "beta", dbeta)};
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
