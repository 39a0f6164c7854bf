// Parameters of a block or network as inputs of a case: one array per tensor, in our layout, named as PyTorch does.
#pragma once

#include "common/gradcheck/layer_case.h"
#include "common/nn/tensors.h"

namespace attnunet::gradcheck {

/// He-normal weights as at the start of training; gamma and beta random and distinct per channel (at 1 and 0 many
/// gradients would vanish or coincide); biases random.
inline std::vector<Array> parameter_arrays(const Architecture& architecture, std::uint64_t seed) {
  std::vector<double> parameters, statistics;
  initial_values(architecture, seed, parameters, statistics);
  Random random(seed, 2);
  std::vector<Array> arrays;
  for (const TensorSpec& spec : architecture.parameters) {
    const auto begin = parameters.begin() + spec.offset;
    Array array{spec.name, std::vector<double>(begin, begin + spec.size)};
    for (double& value : array.values) {
      if (spec.kind == TensorKind::gamma) value = random.uniform(0.5, 1.5);
      if (spec.kind == TensorKind::beta || spec.kind == TensorKind::bias) value = 0.3 * random.normal();
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

/// The flat buffer of inputs[first ...], which are the architecture's parameters in order.
inline Array flat_parameters(const Architecture& architecture, const std::vector<Array>& inputs, std::size_t first) {
  Array flat{"parameters", std::vector<double>(static_cast<std::size_t>(architecture.parameter_elements), 0.0)};
  for (std::size_t i = 0; i < architecture.parameters.size(); ++i)
    std::copy(inputs.at(first + i).values.begin(), inputs.at(first + i).values.end(),
              flat.values.begin() + architecture.parameters[i].offset);
  return flat;
}

/// Appends the tensors of a flat buffer, in order.
inline void append_parameters(std::vector<Array>& arrays, const Architecture& architecture, const Array& flat) {
  for (const TensorSpec& spec : architecture.parameters) {
    const auto begin = flat.values.begin() + spec.offset;
    arrays.push_back({spec.name, std::vector<double>(begin, begin + spec.size)});
  }
}

/// Running statistics as before the first step: mean 0, variance 1.
inline Array initial_statistics(const Architecture& architecture) {
  std::vector<double> parameters, statistics;
  initial_values(architecture, 0, parameters, statistics);
  return {"statistics", statistics};
}

/// Which elements of dense tensors are positive.
template <class B>
void append_positive(std::vector<std::uint8_t>& set, typename B::Device& device,
                     const std::vector<Values<const typename B::Scalar>>& tensors) {
  for (const auto& tensor : tensors) {
    std::vector<typename B::Scalar> host(static_cast<std::size_t>(tensor.size()));
    copy_to_host(device, host.data(), tensor.data, tensor.size());
    for (const auto value : host) set.push_back(value > 0);
  }
}

/// NaN in every byte that a pass may use, so that a value that is read before it is written shows.
template <class B>
void poison_memory(typename B::Device& device, std::byte* memory, Index bytes) {
  const std::vector<std::byte> ones(static_cast<std::size_t>(bytes), std::byte{0xFF});
  copy_to_device(device, memory, ones.data(), bytes);
}

}  // namespace attnunet::gradcheck
