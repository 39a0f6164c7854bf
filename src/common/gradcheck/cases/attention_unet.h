#pragma once

#include <memory>

#include "common/gradcheck/cases/flat_inputs.h"
#include "common/nn/attention_unet.h"

namespace attnunet::gradcheck {

/// The whole network in training mode, dropout included; inputs the images [N,H,W,1] and all parameters, output logits.
template <class B>
LayerCase attention_unet_case(typename B::Device& device, const NetworkConfig& config, Index N, Index H, Index W,
                              const Pass& pass, std::uint64_t seed) {
  const Architecture architecture = make_architecture(config);
  const auto network = std::make_shared<AttentionUNet<B>>(device, architecture, true);
  const auto tape =
      std::make_shared<AttentionUNetTape<B>>(device, architecture, N, H, W, Purpose::training_with_input_gradient);
  poison_memory<B>(device, tape->memory(), tape->bytes());
  const auto forward = [network, tape, pass](const std::vector<Array>& inputs) {
    auto& where = network->device();
    const Architecture& what = network->architecture();
    network->load(flat_parameters(what, inputs, 1).values, initial_statistics(what));
    const auto images = upload<B>(where, inputs[0]);
    copy_on_device(where, tape->input, images.data(), images.size());
    network->forward(*tape, pass);
  };
  const auto get = [network](const std::string& name, const typename B::Scalar* source, Index n) {
    std::vector<typename B::Scalar> host(static_cast<std::size_t>(n));
    copy_to_host(network->device(), host.data(), source, n);
    return Array{name, std::vector<double>(host.begin(), host.end())};
  };
  LayerCase result;
  result.name = name_of(config.variant) + std::string(" base ") + std::to_string(config.base) + ", " +
                std::to_string(N) + " x " + std::to_string(H) + " x " + std::to_string(W);
  Random random(seed);
  result.inputs = {random_array("input", N * H * W, random, 0.5, 0.25)};
  for (Array& array : parameter_arrays(architecture, seed)) result.inputs.push_back(std::move(array));

  result.forward = [network, tape, forward, get, N](const std::vector<Array>& inputs) {
    forward(inputs);
    auto& where = network->device();
    Forward at{{get("logits", tape->logits, tape->image_shape().size())}, {}};
    append_positive<B>(at.active_set, where, tape->relu_outputs());
    for (const auto& level : tape->encoder) {
      std::vector<std::uint8_t> argmax(static_cast<std::size_t>(level.skip_shape(N).size() / 4));
      copy_to_host(where, argmax.data(), level.argmax, static_cast<Index>(argmax.size()));
      at.active_set.insert(at.active_set.end(), argmax.begin(), argmax.end());
    }
    return at;
  };
  result.backward = [network, tape, forward, get, pass](const std::vector<Array>& inputs,
                                                        const std::vector<Array>& d_outputs) {
    forward(inputs);
    auto& where = network->device();
    const auto d_logits = upload<B>(where, d_outputs[0]);
    copy_on_device(where, tape->d_logits, d_logits.data(), d_logits.size());
    network->backward(*tape, pass);
    std::vector<Array> gradients{get("input", tape->d_input, tape->image_shape().size())};
    append_parameters(gradients, network->architecture(),
                      get("", network->gradients(), network->architecture().parameter_elements));
    return gradients;
  };
  return result;
}

}  // namespace attnunet::gradcheck
