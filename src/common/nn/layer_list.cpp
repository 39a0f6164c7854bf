#include "common/nn/layer_list.h"

#include <stdexcept>
#include <utility>

namespace attnunet {
namespace {

constexpr Index float_bytes = 4;

void add_tensor(LayerInfo& layer, const std::string& name, TensorKind kind, std::vector<Index> shape) {
  TensorSpec spec{layer.name + "." + name, kind, std::move(shape)};
  spec.size = 1;
  for (const Index extent : spec.shape) spec.size *= extent;
  if (spec.is_learned()) layer.parameters += spec.size;
  layer.tensors.push_back(std::move(spec));
}

}  // namespace

std::string layer_kind_name(LayerKind kind) {
  switch (kind) {
    case LayerKind::edge_pad:
      return "edge pad";
    case LayerKind::conv2d:
      return "conv2d";
    case LayerKind::conv_transpose2d:
      return "conv transpose";
    case LayerKind::batch_norm:
      return "batch norm";
    case LayerKind::relu:
      return "relu";
    case LayerKind::dropout:
      return "dropout";
    case LayerKind::max_pool:
      return "max pool";
    case LayerKind::add:
      return "add";
    case LayerKind::sigmoid:
      return "sigmoid";
    case LayerKind::attention_multiply:
      return "multiply";
    case LayerKind::concat:
      return "concat";
    case LayerKind::crop:
      return "crop";
  }
  throw std::logic_error("a layer of no kind");
}

LayerInfo& LayerList::append(const std::string& name, LayerKind kind, const std::vector<LayerOutput>& operands,
                             const Shape& output) {
  LayerInfo layer;
  layer.name = layer.output_name = name;
  layer.kind = kind;
  layer.input = operands.front().shape;
  layer.output = output;
  layer.input_gradient = false;
  for (const LayerOutput& operand : operands) {
    layer.operands.push_back(operand.layer);
    layer.input_gradient = layer.input_gradient || operand.learned;
  }
  const bool in_place = kind == LayerKind::relu || kind == LayerKind::dropout || kind == LayerKind::add ||
                        kind == LayerKind::sigmoid || kind == LayerKind::concat;
  layer.activation_bytes = in_place ? 0 : output.size() * float_bytes;
  layers_.push_back(std::move(layer));
  return layers_.back();
}

LayerOutput LayerList::last() const {
  const LayerInfo& layer = layers_.back();
  return {static_cast<int>(layers_.size()) - 1, layer.output, layer.input_gradient || layer.parameters > 0};
}

LayerOutput LayerList::conv2d(const std::string& name, const LayerOutput& x, Index K, Index kernel, bool bias) {
  const Shape &in = x.shape, out{in.N, in.H, in.W, K};
  LayerInfo& layer = append(name, LayerKind::conv2d, {x}, out);
  layer.kernel = kernel;
  layer.bias = bias;
  add_tensor(layer, "weight", TensorKind::conv_weight, {K, in.C, kernel, kernel});
  if (bias) add_tensor(layer, "bias", TensorKind::bias, {K});
  layer.forward_flops = 2.0 * static_cast<double>(kernel * kernel * in.C) * static_cast<double>(out.size());
  return last();
}

LayerOutput LayerList::conv_transpose2d(const std::string& name, const LayerOutput& x, Index K) {
  const Shape &in = x.shape, out{in.N, 2 * in.H, 2 * in.W, K};
  LayerInfo& layer = append(name, LayerKind::conv_transpose2d, {x}, out);
  layer.kernel = 2;
  layer.bias = true;
  add_tensor(layer, "weight", TensorKind::conv_transpose_weight, {in.C, K, 2, 2});
  add_tensor(layer, "bias", TensorKind::bias, {K});
  layer.forward_flops = 2.0 * static_cast<double>(in.C) * static_cast<double>(out.size());
  return last();
}

LayerOutput LayerList::batch_norm(const std::string& name, const LayerOutput& x) {
  LayerInfo& layer = append(name, LayerKind::batch_norm, {x}, x.shape);
  add_tensor(layer, "weight", TensorKind::gamma, {x.shape.C});
  add_tensor(layer, "bias", TensorKind::beta, {x.shape.C});
  add_tensor(layer, "running_mean", TensorKind::running_mean, {x.shape.C});
  add_tensor(layer, "running_var", TensorKind::running_var, {x.shape.C});
  return last();
}

LayerOutput LayerList::relu(const std::string& name, const LayerOutput& x) {
  append(name, LayerKind::relu, {x}, x.shape);
  return last();
}

LayerOutput LayerList::dropout(const std::string& name, const LayerOutput& x, double rate) {
  append(name, LayerKind::dropout, {x}, x.shape).dropout_rate = rate;
  return last();
}

LayerOutput LayerList::max_pool(const std::string& name, const LayerOutput& x) {
  const Shape out{x.shape.N, x.shape.H / 2, x.shape.W / 2, x.shape.C};
  append(name, LayerKind::max_pool, {x}, out).activation_bytes += out.size();  // argmax, a byte each
  return last();
}

LayerOutput LayerList::add(const std::string& name, const LayerOutput& a, const LayerOutput& b) {
  append(name, LayerKind::add, {a, b}, a.shape);
  return last();
}

LayerOutput LayerList::sigmoid(const std::string& name, const LayerOutput& x) {
  append(name, LayerKind::sigmoid, {x}, x.shape);
  return last();
}

LayerOutput LayerList::attention_multiply(const std::string& name, const LayerOutput& x, const LayerOutput& alpha) {
  append(name, LayerKind::attention_multiply, {x, alpha}, x.shape);
  return last();
}

LayerOutput LayerList::concat(const std::string& name, const LayerOutput& a, const LayerOutput& b) {
  append(name, LayerKind::concat, {a, b}, {a.shape.N, a.shape.H, a.shape.W, a.shape.C + b.shape.C});
  return last();
}

LayerOutput LayerList::concat_copying_first(const std::string& name, const LayerOutput& a, const LayerOutput& b) {
  const LayerOutput y = concat(name, a, b);
  layers_.back().activation_bytes = a.shape.size() * float_bytes;
  return y;
}

LayerOutput LayerList::edge_pad(const std::string& name, const LayerOutput& x, Index H, Index W) {
  append(name, LayerKind::edge_pad, {x}, {x.shape.N, H, W, x.shape.C});
  return last();
}

LayerOutput LayerList::crop(const std::string& name, const LayerOutput& x, Index H, Index W) {
  append(name, LayerKind::crop, {x}, {x.shape.N, H, W, x.shape.C});
  return last();
}

LayerOutput LayerList::name_output(const LayerOutput& output, const std::string& name) {
  layers_[static_cast<std::size_t>(output.layer)].output_name = name;
  return output;
}

void LayerList::fuse(const LayerOutput& first, double dropout_rate) {
  for (std::size_t i = static_cast<std::size_t>(first.layer); i < layers_.size(); ++i) {
    layers_[i].fused = true;
    if (layers_[i].kind == LayerKind::batch_norm) layers_[i].dropout_rate = dropout_rate;
  }
}

}  // namespace attnunet
