#include "common/export/network_graph.h"

#include <stdexcept>
#include <utility>

namespace attnunet {
namespace {

/// The node that computes the layer from the values `inputs`.
onnx::Node node_of(const LayerInfo& layer, std::vector<std::string> inputs) {
  const auto node = [&](const char* operation, std::vector<onnx::Attribute> attributes = {}) {
    return onnx::Node{operation, std::move(inputs), layer.output_name, std::move(attributes)};
  };
  const Index kernel = layer.kernel, pad = (kernel - 1) / 2;
  switch (layer.kind) {
    case LayerKind::conv2d:
      return node("Conv", {{"kernel_shape", {kernel, kernel}}, {"pads", {pad, pad, pad, pad}}});
    case LayerKind::conv_transpose2d:
      return node("ConvTranspose", {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
    case LayerKind::relu:
      return node("Relu");
    case LayerKind::max_pool:
      return node("MaxPool", {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
    case LayerKind::add:
      return node("Add");
    case LayerKind::sigmoid:
      return node("Sigmoid");
    case LayerKind::attention_multiply:
      return node("Mul");
    case LayerKind::concat:
      return node("Concat", {{"axis", {1}, false}});
    case LayerKind::batch_norm:
    case LayerKind::dropout:
    case LayerKind::edge_pad:
    case LayerKind::crop:
      break;
  }
  throw std::logic_error("no ONNX operation for layer " + layer.name);
}

/// alpha [N,1,H,W] with its channel C times, [N,C,H,W]: the name of the result.
std::string repeat_channel(onnx::Model& model, const std::string& alpha, Index C) {
  const std::string repeated = alpha + "_repeated", ones = repeated + ".weight";
  model.nodes.push_back({"Conv", {alpha, ones}, repeated, {{"kernel_shape", {1, 1}}, {"pads", {0, 0, 0, 0}}}});
  model.tensors.push_back({ones, {C, 1, 1, 1}, std::vector<float>(static_cast<std::size_t>(C), 1.0F)});
  return repeated;
}

}  // namespace

onnx::Model network_graph(const NetworkConfig& config, std::vector<FoldedConvolution<float>> convolutions,
                          const std::string& height, const std::string& width) {
  onnx::Model model;
  std::vector<std::string> outputs;  // of each layer
  for (const LayerInfo& layer : list_layers(config, 1, config.multiple(), config.multiple())) {
    std::vector<std::string> inputs;
    for (const int operand : layer.operands)
      inputs.push_back(operand < 0 ? "image" : outputs[static_cast<std::size_t>(operand)]);
    if (layer.kind == LayerKind::batch_norm || layer.kind == LayerKind::dropout) {  // folded away; nothing to do
      outputs.push_back(inputs[0]);
      continue;
    }
    if (layer.kernel > 0) inputs.insert(inputs.end(), {layer.name + ".weight", layer.name + ".bias"});
    if (layer.kind == LayerKind::attention_multiply) inputs[1] = repeat_channel(model, inputs[1], layer.output.C);
    model.nodes.push_back(node_of(layer, inputs));
    outputs.push_back(layer.output_name);
  }
  model.nodes.push_back({"Sigmoid", {outputs.back()}, "probability", {}});

  for (FoldedConvolution<float>& convolution : convolutions) {
    const Index K = static_cast<Index>(convolution.bias.size());
    model.tensors.push_back({convolution.name + ".weight", convolution.shape, std::move(convolution.weights)});
    model.tensors.push_back({convolution.name + ".bias", {K}, std::move(convolution.bias)});
  }
  const std::vector<std::string> shape = {"N", "1", height, width};
  const std::string multiple = std::to_string(config.multiple());
  model.inputs = {{"image", "grey images in [0, 1]; H and W multiples of " + multiple, shape}};
  model.outputs = {{"logits", "above 0 where a lesion is predicted", shape},
                   {"probability", "of lesion: the sigmoid of the logits", shape}};
  return model;
}

}  // namespace attnunet
