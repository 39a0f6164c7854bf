// The networks as data: which tensors they have, how these are named, shaped and stored.
//
// Source: Laghmati et al., IJACSA 2023 (attention3: 3 encoder levels, attention4: 4), after Oktay et al. 2018. unet3
// and unet4 are the same networks without attention gates, as a baseline: the plain U-Net (Ronneberger et al. 2015).
// Level i works at H/2^i x W/2^i with base * 2^i channels; level `levels` is the bottleneck.
// Which layers there are is described beside the forward passes (layer_list.h). Everything that needs the list of
// tensors reads it here: the networks, initial weights, checkpoints, gradient checks, `info`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/core/names.h"
#include "common/nn/layer_list.h"

namespace attnunet {

enum class Variant { attention3, attention4, unet3, unet4 };  ///< with its number of encoder levels in the name

template <>
struct Names<Variant> {
  static constexpr const char* option = "variant";
  static constexpr Name<Variant> table[] = {{Variant::attention3, "attention3"},
                                            {Variant::attention4, "attention4"},
                                            {Variant::unet3, "unet3"},
                                            {Variant::unet4, "unet4"}};
};

struct NetworkConfig {
  Variant variant = Variant::attention4;
  int base = 32;                  ///< channels of level 0; even, 2 to 512
  std::optional<double> dropout;  ///< one rate everywhere, in [0, 1); by level where absent

  int levels() const { return variant == Variant::attention3 || variant == Variant::unet3 ? 3 : 4; }
  /// Whether attention gates weight the skips.
  bool gated() const { return variant == Variant::attention3 || variant == Variant::attention4; }
  Index channels(int level) const { return Index{base} << level; }
  /// Images are padded to a multiple of this on both sides.
  Index multiple() const { return Index{1} << levels(); }
  Index padded(Index side) const { return (side + multiple() - 1) / multiple() * multiple(); }
  /// Dropout rate of the double convolution at a level of the encoder, the decoder, or of the bottleneck.
  double dropout_rate(int level) const;
};

struct Architecture {
  NetworkConfig config;
  std::vector<TensorSpec> parameters;  ///< learned; in the order of PyTorch's state_dict
  std::vector<TensorSpec> statistics;  ///< running_mean, running_var of every batch norm
  /// Lengths of the flat buffers: tensors start on 64-byte boundaries, the gaps hold zeros.
  Index parameter_elements = 0, statistics_elements = 0;

  /// Learned numbers: at base 32 1,948,503 for attention3 and 1,926,433 for unet3, the same without its gates.
  Index parameter_count() const;
  /// Throws std::out_of_range for an unknown name: that is a mistake in the program.
  const TensorSpec& parameter(const std::string& name) const;
  const TensorSpec& statistic(const std::string& name) const;
};

/// Throws UsageError if the configuration is out of range.
Architecture make_architecture(const NetworkConfig& config);

/// All layers for N images of H x W, both at least 2^levels. If a side is not a multiple of that, the first layer pads
/// and the last crops.
std::vector<LayerInfo> list_layers(const NetworkConfig& config, Index N, Index H, Index W);

/// The tensors of one block alone, named "block.conv1.weight" and so on: for checking a block by itself.
Architecture double_conv_architecture(Index C, Index K);
Architecture attention_gate_architecture(Index C);

/// source[i of ours] -> destination[i of PyTorch's layout] for one tensor of spec.size elements, and back.
template <class T>
void to_pytorch_layout(const TensorSpec& spec, T* destination, const T* source);
template <class T>
void from_pytorch_layout(const TensorSpec& spec, T* destination, const T* source);

/// Initial values, in our layout: weights He-normal (He et al. 2015, standard deviation sqrt(2 / fan_in); fan_in is
/// the number of products in one output: C R R, and C for the transposed convolution, whose windows do not overlap),
/// gamma 1, beta and biases 0, running_mean 0, running_var 1. Drawn on the host, tensor by tensor in PyTorch's layout,
/// so that they depend on the seed alone. Both vectors have the flat buffers' lengths.
void initial_values(const Architecture& architecture, std::uint64_t seed, std::vector<double>& parameters,
                    std::vector<double>& statistics);
/// The statistics of these alone.
std::vector<double> initial_statistics(const Architecture& architecture);

}  // namespace attnunet
