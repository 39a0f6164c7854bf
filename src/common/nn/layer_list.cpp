#include "common/nn/layer_list.h"

namespace attnunet {
namespace {

constexpr Index float_bytes = 4;

struct Builder {
  std::vector<LayerInfo> layers;
  Shape at;  // the tensor that the next layer takes

  LayerInfo& append(const std::string& name, LayerKind kind, Shape input, Shape output) {
    LayerInfo layer;
    layer.name = name;
    layer.kind = kind;
    layer.input = input;
    layer.output = output;
    layer.activation_bytes = output.size() * float_bytes;
    layers.push_back(layer);
    at = output;
    return layers.back();
  }
  void in_place(const std::string& name, LayerKind kind, double dropout_rate = 0) {
    LayerInfo& layer = append(name, kind, at, at);
    layer.activation_bytes = 0;
    layer.dropout_rate = dropout_rate;
  }
  void conv(const std::string& name, Shape input, Index K, Index kernel, bool bias = false) {
    LayerInfo& layer = append(name, LayerKind::conv2d, input, {input.N, input.H, input.W, K});
    layer.kernel = kernel;
    layer.bias = bias;
    layer.parameters = kernel * kernel * input.C * K + (bias ? K : 0);
    layer.forward_flops = 2.0 * static_cast<double>(kernel * kernel * input.C) * static_cast<double>(at.size());
  }
  void conv_transpose(const std::string& name, Index K) {
    const Shape input = at;
    LayerInfo& layer = append(name, LayerKind::conv_transpose2d, input, {input.N, 2 * input.H, 2 * input.W, K});
    layer.kernel = 2;
    layer.bias = true;
    layer.parameters = 4 * input.C * K + K;
    layer.forward_flops = 2.0 * static_cast<double>(input.C) * static_cast<double>(at.size());
  }
  void batch_norm(const std::string& name) { append(name, LayerKind::batch_norm, at, at).parameters = 2 * at.C; }
  void double_conv(const std::string& name, Index K, double dropout_rate) {
    const std::size_t first = layers.size();
    conv(name + ".conv1", at, K, 3);
    batch_norm(name + ".bn1");
    layers.back().dropout_rate = dropout_rate;
    in_place(name + ".relu1", LayerKind::relu);
    if (dropout_rate > 0) in_place(name + ".dropout", LayerKind::dropout, dropout_rate);
    conv(name + ".conv2", at, K, 3);
    batch_norm(name + ".bn2");
    in_place(name + ".relu2", LayerKind::relu);
    for (std::size_t i = first; i < layers.size(); ++i) layers[i].fused = true;
  }
  void max_pool(const std::string& name) {
    const Shape output{at.N, at.H / 2, at.W / 2, at.C};
    append(name, LayerKind::max_pool, at, output).activation_bytes += output.size();
  }
  // The gating signal and the skip have the same shape.
  void gate(const std::string& name) {
    const Shape skip = at;
    conv(name + ".wg", skip, skip.C / 2, 1);
    batch_norm(name + ".bn_g");
    conv(name + ".wx", skip, skip.C / 2, 1);
    batch_norm(name + ".bn_x");
    in_place(name + ".add", LayerKind::add);
    in_place(name + ".relu", LayerKind::relu);
    conv(name + ".psi", at, 1, 1);
    batch_norm(name + ".bn_psi");
    in_place(name + ".sigmoid", LayerKind::sigmoid);
    append(name + ".multiply", LayerKind::attention_multiply, skip, skip);
  }
};

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
  return "";
}

std::vector<LayerInfo> list_layers(const NetworkConfig& config, Index N, Index H, Index W) {
  const Index multiple = config.multiple();
  const Shape image{N, H, W, 1};
  const Shape padded{N, (H + multiple - 1) / multiple * multiple, (W + multiple - 1) / multiple * multiple, 1};
  const bool pads = !(padded == image);
  const int D = config.levels();
  Builder build{{}, image};
  if (pads) build.append("pad", LayerKind::edge_pad, image, padded).input_gradient = false;
  const std::size_t first = build.layers.size();
  for (int i = 0; i < D; ++i) {
    const std::string name = "encoder." + std::to_string(i);
    build.double_conv(name, config.channels(i), config.dropout_rate(i));
    build.max_pool(name + ".pool");
  }
  build.double_conv("bottleneck", config.channels(D), config.dropout_rate(D));
  for (int i = D; i-- > 0;) {
    const std::string name = "decoder." + std::to_string(i);
    const Index C = config.channels(i);
    build.conv_transpose(name + ".up", C);
    build.gate(name + ".gate");
    const Shape gated = build.at;
    build.append(name + ".concat", LayerKind::concat, gated, {gated.N, gated.H, gated.W, 2 * C}).activation_bytes = 0;
    build.double_conv(name, C, config.dropout_rate(i));
  }
  build.conv("head", build.at, 1, 1, true);
  if (pads) build.append("crop", LayerKind::crop, padded, image);
  build.layers[first].input_gradient = false;
  return build.layers;
}

}  // namespace attnunet
