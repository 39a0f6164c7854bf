// What the cases of all losses have in common.
#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

/// Images and their targets. `target`: N P values; if empty, random zeros and ones with some fractions.
struct LossImages {
  Index N, P;
  std::vector<double> target;
};

/// A loss of N images of P pixels; input logits, output the mean loss over the images.
/// forward(double* losses, Values<const T> logits, const T* target),
/// backward(Gradients<T> d_logits, Values<const T> logits, const T* target).
template <class B, class ForwardPass, class BackwardPass>
LayerCase loss_case(typename B::Device& device, const std::string& name, LossImages images, std::uint64_t seed,
                    const ForwardPass& forward, const BackwardPass& backward) {
  Random random(seed);
  const Index N = images.N, pixels = N * images.P;
  LayerCase result;
  result.name = name + " " + std::to_string(N) + " x " + std::to_string(images.P);
  result.inputs = {random_array("logits", pixels, random, 0, 2)};
  if (images.target.empty())
    for (Index i = 0; i < pixels; ++i) images.target.push_back(i % 7 == 3 ? random.uniform() : random.below(2));
  const Array truth{"target", std::move(images.target)};
  result.forward = [&device, N, pixels, truth, forward](const std::vector<Array>& inputs) {
    const auto logits = upload<B>(device, inputs[0]);
    const auto target = upload<B>(device, truth);
    typename B::template Buffer<double> losses(device, N);
    forward(losses.data(), values(logits.data(), pixels), target.data());
    std::vector<double> host(static_cast<std::size_t>(N));
    copy_to_host(device, host.data(), losses.data(), N);
    double sum = 0;
    for (const double value : host) sum += value;
    return Forward{{{"loss", {sum / static_cast<double>(N)}}}, {}};
  };
  result.backward = [&device, pixels, truth, backward](const std::vector<Array>& inputs,
                                                       const std::vector<Array>& d_outputs) {
    const auto logits = upload<B>(device, inputs[0]);
    const auto target = upload<B>(device, truth);
    auto d_logits = poisoned<B>(device, pixels);
    backward(gradients(d_logits.data(), pixels), values(logits.data(), pixels), target.data());
    Array gradient = download<B>(device, "logits", d_logits);
    for (double& value : gradient.values) value *= d_outputs[0].values[0];
    return std::vector<Array>{gradient};
  };
  return result;
}

}  // namespace attnunet::gradcheck
