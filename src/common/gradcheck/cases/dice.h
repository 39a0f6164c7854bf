#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// dice of N images of P pixels; input logits, output the mean loss over the images. `target`: N P values; where empty,
/// random zeros and ones with some fractions.
template <class B>
LayerCase dice_case(typename B::Device& device, Index N, Index P, std::vector<double> target, std::uint64_t seed) {
  Random random(seed);
  LayerCase result;
  result.name = "dice " + std::to_string(N) + " x " + std::to_string(P);
  result.inputs = {random_array("logits", N * P, random, 0, 2)};
  if (target.empty())
    for (Index i = 0; i < N * P; ++i) target.push_back(i % 7 == 3 ? random.uniform() : random.below(2));
  const Array truth{"target", std::move(target)};
  result.forward = [&device, N, P, truth](const std::vector<Array>& inputs) {
    const auto logits = upload<B>(device, inputs[0]);
    const auto target = upload<B>(device, truth);
    typename B::template Buffer<double> loss(device, N);
    auto sums = typename B::template Buffer<double>(device, 3 * N);
    dice_forward(device, loss.data(), sums.data(), values(logits.data(), N * P), target.data(), N);
    std::vector<double> host(static_cast<std::size_t>(N));
    copy_to_host(device, host.data(), loss.data(), N);
    double sum = 0;
    for (const double value : host) sum += value;
    return Forward{{{"loss", {sum / static_cast<double>(N)}}}, {}};
  };
  result.backward = [&device, N, P, truth](const std::vector<Array>& inputs, const std::vector<Array>& d_outputs) {
    const auto logits = upload<B>(device, inputs[0]);
    const auto target = upload<B>(device, truth);
    auto d_logits = poisoned<B>(device, N * P);
    auto sums = typename B::template Buffer<double>(device, 3 * N);
    typename B::template Buffer<double> loss(device, N);
    dice_forward(device, loss.data(), sums.data(), values(logits.data(), N * P), target.data(), N);
    dice_backward(device, gradients(d_logits.data(), N * P), sums.data(), values(logits.data(), N * P), target.data(),
                  N, Write::set);
    Array gradient = download<B>(device, "logits", d_logits);
    for (double& value : gradient.values) value *= d_outputs[0].values[0];
    return std::vector<Array>{gradient};
  };
  return result;
}

}  // namespace attnunet::gradcheck
