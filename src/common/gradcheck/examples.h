// Examples small enough to follow with a pencil: a few pixels, numbers of one decimal.
#pragma once

#include <cmath>
#include <map>

#include "common/gradcheck/run_all.h"

namespace attnunet::gradcheck {

struct Example {
  std::string layer;  ///< as derivations() names it
  LayerCase layer_case;
  /// How inputs and outputs are to be read; a vector where absent.
  std::map<std::string, std::vector<Index>> shapes;
};

/// One of each layer and block that has a backward pass.
template <class B>
std::vector<Example> examples(typename B::Device& device) {
  constexpr std::uint64_t seed = 4;
  const DropoutKey key{5, 1, 3};
  std::vector<Example> all = {
      {"conv2d",
       conv2d_case<B>(device, {1, 3, 3, 1, 1, 3}, true, seed),
       {{"x", {1, 3, 3, 1}}, {"w", {1, 3, 3, 1}}, {"y", {1, 3, 3, 1}}}},
      {"conv_transpose2d",
       conv_transpose2d_case<B>(device, {1, 1, 2, 2, 1}, true, seed),
       {{"x", {1, 1, 2, 2}}, {"w", {2, 2, 1, 2}}, {"y", {1, 2, 4, 1}}}},
      {"batch_norm", batch_norm_case<B>(device, 4, 2, seed), {{"x", {4, 2}}, {"y", {4, 2}}}},
      {"conv2d_statistics",
       conv2d_statistics_case<B>(device, {1, 2, 2, 1, 1, 3}, seed),
       {{"x", {1, 2, 2, 1}}, {"w", {1, 3, 3, 1}}, {"y", {1, 2, 2, 1}}}},
      {"batch_norm_relu_dropout",
       batch_norm_relu_dropout_case<B>(device, 4, 2, {0.3, key}, seed),
       {{"x", {4, 2}}, {"y", {4, 2}}}},
      {"relu", relu_case<B>(device, 5, seed), {}},
      {"max_pool", max_pool_case<B>(device, {1, 4, 4, 1}, seed + 3), {{"x", {1, 4, 4, 1}}, {"y", {1, 2, 2, 1}}}},
      {"sigmoid", sigmoid_case<B>(device, 4, seed), {}},
      {"dropout", dropout_case<B>(device, 6, {0.3, key}, seed), {}},
      {"concat", concat_case<B>(device, 2, 2, 1, seed), {{"a", {2, 2}}, {"b", {2, 1}}, {"y", {2, 3}}}},
      {"add", add_case<B>(device, 3, seed), {}},
      {"attention_multiply", attention_multiply_case<B>(device, 2, 3, seed), {{"x", {2, 3}}, {"y", {2, 3}}}},
      {"edge_pad", edge_pad_case<B>(device, {1, 2, 3, 1}, 3, 4, seed), {{"x", {1, 2, 3, 1}}, {"y", {1, 3, 4, 1}}}},
      {"crop", crop_case<B>(device, {1, 2, 3, 1}, 3, 4, seed), {{"x", {1, 3, 4, 1}}, {"y", {1, 2, 3, 1}}}},
      {"bce", bce_case<B>(device, 1, 4, {1, 0, 0, 1}, seed), {}},
      {"dice", dice_case<B>(device, 1, 4, {1, 0, 0, 1}, seed), {}},
      {"tversky", tversky_case<B>(device, 1, 4, {1, 0, 0, 1}, {}, seed), {}},
      {"focal", focal_case<B>(device, 1, 4, {1, 0, 0, 1}, {}, seed), {}},
      {"double_conv",
       double_conv_case<B>(device, {1, 3, 3, 1}, 1, 0.0, Pass{}, 0, seed),
       {{"x", {1, 3, 3, 1}}, {"y", {1, 3, 3, 1}}}},
      {"attention_gate",
       attention_gate_case<B>(device, {1, 2, 2, 2}, seed),
       {{"g", {1, 2, 2, 2}}, {"x", {1, 2, 2, 2}}, {"out", {1, 2, 2, 2}}}},
  };
  for (Example& example : all)
    for (Array& input : example.layer_case.inputs)
      for (double& value : input.values) value = std::round(10 * value) / 10;
  return all;
}

}  // namespace attnunet::gradcheck
