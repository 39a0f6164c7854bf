// The network that evaluation runs, on the host: every convolution with its weights and bias and no batch norm, as a
// file in another format has it.
#pragma once

#include <string>
#include <vector>

#include "common/nn/attention_unet.h"

namespace attnunet {

template <class T>
struct FoldedConvolution {
  std::string name;          ///< "encoder.0.conv1", "decoder.0.up", "decoder.0.gate.wg", "head"
  TensorKind kind;           ///< conv_weight or conv_transpose_weight
  std::vector<Index> shape;  ///< of the weights, in PyTorch's layout
  std::vector<T> weights, bias;
};

/// All convolutions, in the order of PyTorch's state_dict, with the network's current parameters and statistics.
template <class B>
std::vector<FoldedConvolution<typename B::Scalar>> folded_convolutions(AttentionUNet<B>& network) {
  using T = typename B::Scalar;
  const Architecture& architecture = network.architecture();
  std::vector<T> flat(static_cast<std::size_t>(architecture.parameter_elements));
  copy_to_host(network.device(), flat.data(), network.folded(), architecture.parameter_elements);
  std::vector<FoldedConvolution<T>> result;
  for (const TensorSpec& spec : architecture.parameters) {
    const T* values = flat.data() + spec.offset;
    if (spec.kind == TensorKind::conv_weight || spec.kind == TensorKind::conv_transpose_weight) {
      FoldedConvolution<T> convolution{spec.name.substr(0, spec.name.rfind('.')), spec.kind, spec.shape, {}, {}};
      convolution.weights.resize(static_cast<std::size_t>(spec.size));
      to_pytorch_layout(spec, convolution.weights.data(), values);
      result.push_back(std::move(convolution));
    } else if (spec.kind == TensorKind::bias || spec.kind == TensorKind::beta) {
      result.back().bias.assign(values, values + spec.size);
    }
  }
  return result;
}

}  // namespace attnunet
