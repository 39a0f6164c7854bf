// A network as a list of layers in the order of execution, with shapes, tensors and work.
//
// Each block describes itself beside its forward pass (describe_double_conv in double_conv.h and so on): it appends its
// layers to a LayerList. Whatever else must know the structure reads this list: architecture.h the names and shapes of
// tensors, `info` and `bench` their tables, export/network_graph.h the ONNX graph.
#pragma once

#include <string>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet {

enum class TensorKind { conv_weight, conv_transpose_weight, bias, gamma, beta, running_mean, running_var };

/// One named tensor. Outside (checkpoints, initial weights) it has PyTorch's layout, inside the layout the kernels
/// like: conv weights [K,C,R,R] become [K,R,R,C], transposed conv weights [C,K,2,2] become [2,2,K,C]; vectors stay.
struct TensorSpec {
  std::string name;  ///< PyTorch's, e.g. "encoder.0.conv1.weight"
  TensorKind kind;
  std::vector<Index> shape;  ///< PyTorch's
  Index size = 0;
  Index offset = 0;  ///< first element in the flat buffer of parameters (or of running statistics)

  bool is_learned() const { return kind != TensorKind::running_mean && kind != TensorKind::running_var; }
};

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
  std::vector<int> operands;  ///< positions in the list of the layers whose outputs it takes; -1: the network's input
  Shape input;                ///< of the first operand
  Shape output;
  std::string output_name;  ///< in an exported graph; its own name unless LayerList::name_output gave another
  Index kernel = 0;         ///< side of a convolution's kernel
  bool bias = false;
  double dropout_rate = 0;
  /// Part of a double convolution. In training its convolution also computes the statistics for batch norm, and the
  /// batch norm's operation includes ReLU and dropout (at dropout_rate): their layers are listed, but have no work of
  /// their own. At inference batch norm is folded into the convolution, which also applies ReLU.
  bool fused = false;
  bool input_gradient = true;       ///< whether training needs it: not if the input depends on no parameter
  std::vector<TensorSpec> tensors;  ///< in the order of PyTorch's state_dict
  Index parameters = 0;             ///< learned numbers in them
  /// Multiplications and additions of the forward pass, two for each weight of a convolution and output pixel; 0 for
  /// layers whose cost is moving memory.
  double forward_flops = 0;
  /// Float32 memory that the layer adds to what a training step keeps: its output (and max pool's argmax). 0 if it
  /// works in place, as concat does if the two layers that compute its halves write into it. A concat that copies its
  /// first operand adds that half.
  Index activation_bytes = 0;
};

std::string layer_kind_name(LayerKind kind);

/// What a layer computes, or the network's input: an operand of other layers.
struct LayerOutput {
  int layer;  ///< its position in the list; -1: the network's input
  Shape shape;
  bool learned;  ///< whether it depends on parameters
};

/// Each function appends one layer and returns its output.
class LayerList {
 public:
  const std::vector<LayerInfo>& layers() const { return layers_; }

  LayerOutput input(const Shape& shape) const { return {-1, shape, false}; }
  LayerOutput conv2d(const std::string& name, const LayerOutput& x, Index K, Index kernel, bool bias = false);
  /// With a 2 x 2 kernel, stride 2 and bias.
  LayerOutput conv_transpose2d(const std::string& name, const LayerOutput& x, Index K);
  LayerOutput batch_norm(const std::string& name, const LayerOutput& x);
  LayerOutput relu(const std::string& name, const LayerOutput& x);
  LayerOutput dropout(const std::string& name, const LayerOutput& x, double rate);
  LayerOutput max_pool(const std::string& name, const LayerOutput& x);
  LayerOutput add(const std::string& name, const LayerOutput& a, const LayerOutput& b);
  LayerOutput sigmoid(const std::string& name, const LayerOutput& x);
  LayerOutput attention_multiply(const std::string& name, const LayerOutput& x, const LayerOutput& alpha);
  LayerOutput concat(const std::string& name, const LayerOutput& a, const LayerOutput& b);
  /// For an `a` that other layers take as well, and that therefore lies elsewhere.
  LayerOutput concat_copying_first(const std::string& name, const LayerOutput& a, const LayerOutput& b);
  LayerOutput edge_pad(const std::string& name, const LayerOutput& x, Index H, Index W);
  LayerOutput crop(const std::string& name, const LayerOutput& x, Index H, Index W);

  /// In exported graphs the output gets this name, not the layer's.
  LayerOutput name_output(const LayerOutput& output, const std::string& name);
  /// The layers from that of `first` to the last run fused (see LayerInfo), with this dropout rate.
  void fuse(const LayerOutput& first, double dropout_rate);

 private:
  LayerInfo& append(const std::string& name, LayerKind kind, const std::vector<LayerOutput>& operands,
                    const Shape& output);
  LayerOutput last() const;

  std::vector<LayerInfo> layers_;
};

}  // namespace attnunet
