// Parameters of a block or network as inputs of a case: one array per tensor, in our layout, named as PyTorch does.
#pragma once

#include "common/gradcheck/layer_case.h"
#include "common/nn/tensors.h"

namespace attnunet::gradcheck {

/// He-normal weights as at the start of training; gamma and beta random and distinct per channel (at 1 and 0 many
/// gradients would vanish or coincide); biases random.
std::vector<Array> parameter_arrays(const Architecture& architecture, std::uint64_t seed);

/// The flat buffer of inputs[first ...], which are the architecture's parameters in order.
Array flat_parameters(const Architecture& architecture, const std::vector<Array>& inputs, std::size_t first);

/// Appends the tensors of a flat buffer, in order.
void append_parameters(std::vector<Array>& arrays, const Architecture& architecture, const Array& flat);

/// Which elements of dense tensors are positive.
template <class B>
void append_positive(std::vector<std::uint8_t>& set, typename B::Device& device,
                     const std::vector<Values<const typename B::Scalar>>& tensors) {
  for (const auto& tensor : tensors) {
    std::vector<typename B::Scalar> host(static_cast<std::size_t>(tensor.size()));
    copy_to_host(device, host.data(), tensor.data, tensor.size());
    const std::size_t before = set.size();
    set.resize(before + host.size());
    for (std::size_t i = 0; i < host.size(); ++i) set[before + i] = host[i] > 0;
  }
}

/// NaN in every byte that a pass may use, so that a value that is read before it is written shows: in the first pass,
/// and so in all, which read and write the same places.
template <class B>
void poison_memory(typename B::Device& device, std::byte* memory, Index bytes) {
  const std::vector<std::byte> ones(static_cast<std::size_t>(bytes), std::byte{0xFF});
  copy_to_device(device, memory, ones.data(), bytes);
}

}  // namespace attnunet::gradcheck
