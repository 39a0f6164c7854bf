#pragma once

#include "common/core/dropout_key.h"
#include "common/gradcheck/cases/batch_norm.h"

namespace attnunet::gradcheck {

/// Batch norm, ReLU and dropout in one, with x's own statistics; inputs x, gamma, beta; output y.
template <class B>
LayerCase batch_norm_relu_dropout_case(typename B::Device& device, Index pixels, Index C, double rate,
                                       const DropoutKey& key, std::uint64_t seed) {
  using T = typename B::Scalar;
  Random random(seed);
  LayerCase result;
  result.name = "batch_norm_relu_dropout " + std::to_string(pixels) + "x" + std::to_string(C);
  result.inputs = batch_norm_inputs(pixels, C, random);
  auto run = [&device, pixels, C, rate, key](const std::vector<Array>& inputs, const Array* d_output) {
    const auto x = upload<B>(device, inputs[0]);
    const auto gamma = upload<B>(device, inputs[1]);
    const auto beta = upload<B>(device, inputs[2]);
    const Array zeros{"", std::vector<double>(static_cast<std::size_t>(C))};
    auto running_mean = upload<B>(device, zeros);
    auto running_var = upload<B>(device, zeros);
    auto y = poisoned<B>(device, pixels * C);
    auto mean = poisoned<B>(device, C);
    auto inv_std = poisoned<B>(device, C);
    {
      typename B::template Buffer<T> workspace(device, batch_norm_workspace(device, pixels, C));
      auto normalised = poisoned<B>(device, pixels * C);
      batch_norm_forward(device, normalised.data(), mean.data(), inv_std.data(), running_mean.data(),
                         running_var.data(), x.data(), gamma.data(), beta.data(), workspace.data(), pixels, C);
    }
    batch_norm_relu_dropout_forward(device, y.data(), x.data(), mean.data(), inv_std.data(), gamma.data(), beta.data(),
                                    rate, key, pixels, C);
    if (d_output == nullptr) return std::vector<Array>{download<B>(device, "y", y)};
    const auto dy = upload<B>(device, *d_output);
    auto dx = poisoned<B>(device, pixels * C);
    auto dgamma = poisoned<B>(device, C);
    auto dbeta = poisoned<B>(device, C);
    auto workspace = poisoned<B>(device, batch_norm_relu_dropout_workspace(device, pixels, C));
    batch_norm_relu_dropout_backward(device, dx.data(), dgamma.data(), dbeta.data(), dy.data(), y.data(), x.data(),
                                     mean.data(), inv_std.data(), gamma.data(), rate, workspace.data(), pixels, C);
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
