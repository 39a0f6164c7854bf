#pragma once

#include "common/core/batch_norm_views.h"
#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// Inputs of both cases: x [pixels, C] of a mean and deviation of its own for every channel, gamma and beta distinct.
inline std::vector<Array> batch_norm_inputs(Index pixels, Index C, Random& random) {
  std::vector<Array> inputs = {random_array("x", pixels * C, random), random_array("gamma", C, random, 1.0, 0.5),
                               random_array("beta", C, random)};
  for (Index c = 0; c < C; ++c) {
    const double mean = random.normal(), deviation = random.uniform(0.5, 1.5);
    for (Index p = 0; p < pixels; ++p) {
      double& value = inputs[0].values[static_cast<std::size_t>(p * C + c)];
      value = mean + deviation * value;
    }
  }
  return inputs;
}

/// Training batch norm: inputs x, gamma, beta; output y.
template <class B>
LayerCase batch_norm_case(typename B::Device& device, Index pixels, Index C, std::uint64_t seed) {
  using T = typename B::Scalar;
  Random random(seed);
  LayerCase result;
  result.name = "batch_norm " + std::to_string(pixels) + "x" + std::to_string(C);
  result.inputs = batch_norm_inputs(pixels, C, random);
  // Forward and, where asked for, backward: backward needs what forward saved.
  auto run = [&device, pixels, C](const std::vector<Array>& inputs, const Array* d_output) {
    const auto x = upload<B>(device, inputs[0]);
    const auto gamma = upload<B>(device, inputs[1]);
    const auto beta = upload<B>(device, inputs[2]);
    const Array zeros{"", std::vector<double>(static_cast<std::size_t>(C))};
    auto running_mean = upload<B>(device, zeros);
    auto running_var = upload<B>(device, zeros);
    auto y = poisoned<B>(device, pixels * C);
    auto mean = poisoned<B>(device, C);
    auto inv_std = poisoned<B>(device, C);
    typename B::template Buffer<T> workspace(device, batch_norm_workspace(device, pixels, C));
    const BatchStatistics<T> batch{mean.data(), inv_std.data()};
    const RunningStatistics<T> running{running_mean.data(), running_var.data()};
    const BatchNormParameters<const T> parameters{gamma.data(), beta.data()};
    const Values<const T> x_values = values(x.data(), pixels, C);
    batch_norm_forward(device, values(y.data(), pixels, C), batch, running, x_values, parameters, workspace.data());
    if (d_output == nullptr) return std::vector<Array>{download<B>(device, "y", y)};
    const auto dy = upload<B>(device, *d_output);
    auto dx = poisoned<B>(device, pixels * C);
    auto dgamma = poisoned<B>(device, C);
    auto dbeta = poisoned<B>(device, C);
    batch_norm_backward(device, gradients(dx.data(), pixels, C), BatchNormParameters<T>{dgamma.data(), dbeta.data()},
                        gradients(dy.data(), pixels, C), {x_values, batch, parameters}, workspace.data());
    return std::vector<Array>{download<B>(device, "x", dx), download<B>(device, "gamma", dgamma),
                              download<B>(device, "beta", dbeta)};
  };
  result.forward = [run](const std::vector<Array>& inputs) { return Forward{run(inputs, nullptr), {}}; };
  result.backward = [run](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    return run(inputs, &d_outputs[0]);
  };
  return result;
}

/// Inference batch norm with random running statistics: inputs x, gamma, beta; output y.
template <class B>
LayerCase batch_norm_inference_case(typename B::Device& device, Index pixels, Index C, std::uint64_t seed) {
  using T = typename B::Scalar;
  Random random(seed);
  LayerCase result;
  result.name = "batch_norm_inference " + std::to_string(pixels) + "x" + std::to_string(C);
  result.inputs = batch_norm_inputs(pixels, C, random);
  const Array mean = random_array("running_mean", C, random);
  Array var{"running_var", std::vector<double>(static_cast<std::size_t>(C))};
  for (double& value : var.values) value = random.uniform(0.3, 2.0);
  result.forward = [&device, pixels, C, mean, var](const std::vector<Array>& inputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto gamma = upload<B>(device, inputs[1]);
    const auto beta = upload<B>(device, inputs[2]);
    const auto running_mean = upload<B>(device, mean);
    const auto running_var = upload<B>(device, var);
    auto y = poisoned<B>(device, pixels * C);
    batch_norm_inference_forward(device, values(y.data(), pixels, C), values(x.data(), pixels, C),
                                 {gamma.data(), beta.data()}, {running_mean.data(), running_var.data()});
    return Forward{{download<B>(device, "y", y)}, {}};
  };
  result.backward = [&device, pixels, C, mean, var](const std::vector<Array>& inputs,
                                                    const std::vector<Array>& d_outputs) {
    const auto x = upload<B>(device, inputs[0]);
    const auto gamma = upload<B>(device, inputs[1]);
    const auto beta = upload<B>(device, inputs[2]);
    const auto dy = upload<B>(device, d_outputs[0]);
    const auto running_mean = upload<B>(device, mean);
    const auto running_var = upload<B>(device, var);
    auto dx = poisoned<B>(device, pixels * C);
    auto dgamma = poisoned<B>(device, C);
    auto dbeta = poisoned<B>(device, C);
    typename B::template Buffer<T> workspace(device, batch_norm_workspace(device, pixels, C));
    batch_norm_inference_backward(device, gradients(dx.data(), pixels, C),
                                  BatchNormParameters<T>{dgamma.data(), dbeta.data()}, gradients(dy.data(), pixels, C),
                                  values(x.data(), pixels, C), {gamma.data(), beta.data()},
                                  {running_mean.data(), running_var.data()}, workspace.data());
    return std::vector<Array>{download<B>(device, "x", dx), download<B>(device, "gamma", dgamma),
                              download<B>(device, "beta", dbeta)};
  };
  return result;
}

}  // namespace attnunet::gradcheck
