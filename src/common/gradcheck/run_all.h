// Every layer, both blocks and all networks against numeric gradients, on one backend: the gradcheck command.
// Include the backend's operations.h before the place of instantiation.
#pragma once

#include <functional>

#include "common/gradcheck/cases/add.h"
#include "common/gradcheck/cases/attention_gate.h"
#include "common/gradcheck/cases/attention_multiply.h"
#include "common/gradcheck/cases/attention_unet.h"
#include "common/gradcheck/cases/batch_norm.h"
#include "common/gradcheck/cases/batch_norm_relu_dropout.h"
#include "common/gradcheck/cases/bce.h"
#include "common/gradcheck/cases/concat.h"
#include "common/gradcheck/cases/conv2d.h"
#include "common/gradcheck/cases/conv2d_statistics.h"
#include "common/gradcheck/cases/conv_transpose2d.h"
#include "common/gradcheck/cases/crop.h"
#include "common/gradcheck/cases/dice.h"
#include "common/gradcheck/cases/double_conv.h"
#include "common/gradcheck/cases/dropout.h"
#include "common/gradcheck/cases/edge_pad.h"
#include "common/gradcheck/cases/focal.h"
#include "common/gradcheck/cases/max_pool.h"
#include "common/gradcheck/cases/relu.h"
#include "common/gradcheck/cases/sigmoid.h"
#include "common/gradcheck/cases/tversky.h"
#include "common/gradcheck/check.h"

namespace attnunet::gradcheck {

/// Every layer, at shapes with all dimensions different and odd sizes.
template <class B>
std::vector<LayerCase> layer_cases(typename B::Device& device, std::uint64_t seed) {
  return {
      conv2d_case<B>(device, {2, 5, 7, 3, 4, 3}, true, seed),
      conv2d_case<B>(device, {1, 6, 4, 1, 5, 3}, false, seed),
      conv2d_case<B>(device, {2, 5, 3, 4, 6, 1}, true, seed),
      conv2d_case<B>(device, {2, 5, 3, 6, 1, 1}, false, seed),
      conv_transpose2d_case<B>(device, {2, 3, 5, 4, 6}, true, seed),
      batch_norm_case<B>(device, 35, 4, seed),
      batch_norm_inference_case<B>(device, 35, 4, seed),
      conv2d_statistics_case<B>(device, {2, 5, 7, 3, 4, 3}, seed),
      batch_norm_relu_dropout_case<B>(device, 35, 4, {0.3, {5, 1, 3}}, seed),
      relu_case<B>(device, 105, seed),
      max_pool_case<B>(device, {2, 6, 8, 3}, seed),
      sigmoid_case<B>(device, 105, seed),
      dropout_case<B>(device, 105, {0.3, {5, 1, 3}}, seed),
      concat_case<B>(device, 35, 3, 5, seed),
      add_case<B>(device, 105, seed),
      attention_multiply_case<B>(device, 35, 6, seed),
      edge_pad_case<B>(device, {2, 5, 3, 2}, 8, 6, seed),
      crop_case<B>(device, {2, 5, 3, 2}, 8, 6, seed),
      bce_case<B>(device, 2, 35, {}, seed),
      dice_case<B>(device, 2, 35, {}, seed),
      tversky_case<B>(device, 2, 35, {}, {}, seed),
      focal_case<B>(device, 2, 35, {}, {}, seed),
  };
}

/// Both blocks and all networks. The padding is narrow: deep in a wide one pixels are equal functions of the input,
/// and where a convolution rounds by position (Winograd's) the pool's choice among them is noise, which looks like a
/// kink.
template <class B>
std::vector<LayerCase> network_cases(typename B::Device& device, std::uint64_t seed) {
  const Pass pass{true, 5, 3};
  const auto network = [&](Variant variant, Index H, Index W) {
    NetworkConfig config;
    config.variant = variant;
    config.base = 2;
    return attention_unet_case<B>(device, config, 2, H, W, pass, seed);
  };
  return {
      double_conv_case<B>(device, {2, 6, 9, 3}, 4, 0.3, pass, 1, seed),
      attention_gate_case<B>(device, {2, 6, 9, 4}, seed),
      network(Variant::attention3, 16, 24),
      network(Variant::attention4, 29, 46),
      network(Variant::unet3, 16, 8),
      network(Variant::unet4, 15, 30),
  };
}

/// The layer that a case of layer_cases() or network_cases() belongs to: its name's first word.
inline std::string layer_of(const LayerCase& layer_case) {
  std::string word = layer_case.name.substr(0, layer_case.name.find(' '));
  if (word == "batch_norm_inference") return "batch_norm";
  for (const std::string& variant : names_of<Variant>())
    if (word == variant) return "attention_unet";
  return word;
}

/// The cases of one layer, or of all if `layer` is empty. `progress` is called with each result as it is ready.
/// B::Scalar must be double.
template <class B>
void run_all(typename B::Device& device, const std::string& layer, const std::function<void(const Result&)>& progress) {
  constexpr std::uint64_t seed = 1;
  const auto asked = [&](const LayerCase& one) { return layer.empty() || layer_of(one) == layer; };
  for (const LayerCase& one : layer_cases<B>(device, seed))
    if (asked(one))
      for (const Result& result : check_layer(one, seed)) progress(result);
  for (const LayerCase& one : network_cases<B>(device, seed))
    if (asked(one))
      for (const Result& result : check_network(one, seed)) progress(result);
}

}  // namespace attnunet::gradcheck
