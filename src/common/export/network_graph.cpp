#include "common/export/network_graph.h"

namespace attnunet {
namespace {

/// Appends nodes to the model; each function returns the name of its result.
struct Builder {
  onnx::Model model;

  std::string add(const std::string& operation, const std::string& output, const std::vector<std::string>& inputs,
                  const std::vector<onnx::Attribute>& attributes = {}) {
    model.nodes.push_back({operation, inputs, output, attributes});
    return output;
  }
  std::string convolution(const std::string& name, const std::string& x, Index kernel) {
    const Index pad = (kernel - 1) / 2;
    return add("Conv", name, {x, name + ".weight", name + ".bias"},
               {{"kernel_shape", {kernel, kernel}}, {"pads", {pad, pad, pad, pad}}});
  }
  std::string double_conv(const std::string& name, std::string x) {
    for (const char* number : {"1", "2"})
      x = add("Relu", name + ".relu" + number, {convolution(name + ".conv" + number, x, 3)});
    return x;
  }
  std::string gate(const std::string& name, const std::string& g, const std::string& x) {
    const std::string sum =
        add("Add", name + ".sum", {convolution(name + ".wg", g, 1), convolution(name + ".wx", x, 1)});
    const std::string psi = convolution(name + ".psi", add("Relu", name + ".relu", {sum}), 1);
    return add("Mul", name + ".out", {x, add("Sigmoid", name + ".alpha", {psi})});
  }
};

}  // namespace

onnx::Model network_graph(const NetworkConfig& config, const std::vector<FoldedConvolution<float>>& convolutions) {
  Builder builder;
  std::vector<std::string> skips;
  std::string x = "image";
  for (int i = 0; i < config.levels(); ++i) {
    const std::string name = "encoder." + std::to_string(i);
    skips.push_back(builder.double_conv(name, x));
    x = builder.add("MaxPool", name + ".pool", {skips.back()}, {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
  }
  x = builder.double_conv("bottleneck", x);
  for (int i = config.levels(); i-- > 0;) {
    const std::string name = "decoder." + std::to_string(i), up = name + ".up";
    const std::string g = builder.add("ConvTranspose", up, {x, up + ".weight", up + ".bias"},
                                      {{"kernel_shape", {2, 2}}, {"strides", {2, 2}}});
    const std::string gated = builder.gate(name + ".gate", g, skips[static_cast<std::size_t>(i)]);
    x = builder.double_conv(name, builder.add("Concat", name + ".concat", {gated, g}, {{"axis", {1}, false}}));
  }
  builder.add("Conv", "logits", {x, "head.weight", "head.bias"}, {{"kernel_shape", {1, 1}}, {"pads", {0, 0, 0, 0}}});
  builder.add("Sigmoid", "probability", {"logits"});

  onnx::Model& model = builder.model;
  for (const FoldedConvolution<float>& convolution : convolutions) {
    model.tensors.push_back({convolution.name + ".weight", convolution.shape, &convolution.weights});
    model.tensors.push_back(
        {convolution.name + ".bias", {static_cast<Index>(convolution.bias.size())}, &convolution.bias});
  }
  const std::vector<std::string> shape = {"N", "1", "H", "W"};
  const std::string multiple = std::to_string(config.multiple());
  model.inputs = {{"image", "grey images in [0, 1]; H and W multiples of " + multiple, shape}};
  model.outputs = {{"logits", "above 0 where a lesion is predicted", shape},
                   {"probability", "of lesion: the sigmoid of the logits", shape}};
  return std::move(model);
}

}  // namespace attnunet
