// The networks as a list of layers in the order of execution, with shapes, parameters and work: what `info` prints and
// `bench` times one by one.
#pragma once

#include <string>
#include <vector>

#include "common/nn/architecture.h"

namespace attnunet {

enum class LayerKind {
  edge_pad,
  conv2d,
  conv_transpose2d,
  batch_norm,
  relu,
  dropout,
  max_pool,
  add,
  sigmoid,
  attention_multiply,
  concat,
  crop
};

struct LayerInfo {
  std::string name;  ///< as its tensors in a checkpoint, "encoder.0.conv1"; layers without tensors likewise
  LayerKind kind;
  Shape input;  ///< of the first operand
  Shape output;
  Index kernel = 0;  ///< side of a convolution's kernel
  bool bias = false;
  double dropout_rate = 0;
  /// In a double convolution the convolution also makes the batch norm's statistics, and the batch norm's operation is
  /// ReLU and dropout (of dropout_rate) as well: their own layers are listed, but have nothing left to do. (So it is in
  /// training. Inference has no batch norms left: they are folded into the convolutions, which also do ReLU.)
  bool fused = false;
  bool input_gradient = true;  ///< whether training needs it: not for the image's
  Index parameters = 0;
  /// Multiplications and additions of the forward pass, two for each weight of a convolution and output pixel; 0 for
  /// layers whose cost is moving memory.
  double forward_flops = 0;
  /// Float32 memory that the layer adds to what a training step keeps: its output (and max pool's argmax). 0 where it
  /// works in place, as concat does: the two layers that make its halves write into it.
  Index activation_bytes = 0;
};

std::string layer_kind_name(LayerKind kind);

/// All layers for N images of H x W, both at least 2^levels. Where a side is not a multiple of that, the first layer
/// pads and the last crops.
std::vector<LayerInfo> list_layers(const NetworkConfig& config, Index N, Index H, Index W);

}  // namespace attnunet
