#include "common/nn/layer_list.h"

#include <gtest/gtest.h>

#include "common/nn/architecture.h"

namespace attnunet {
namespace TEST_FILE {

NetworkConfig network(Variant variant, int base) {
  NetworkConfig config;
  config.variant = variant;
  config.base = base;
  return config;
}

Index total_parameters(const std::vector<LayerInfo>& layers) {
  Index sum = 0;
  for (const LayerInfo& layer : layers) sum += layer.parameters;
  return sum;
}

double total_gigaflops(const std::vector<LayerInfo>& layers) {
  double sum = 0;
  for (const LayerInfo& layer : layers) sum += layer.forward_flops;
  return sum / 1e9;
}

TEST(LayerList, ParametersAreTheArchitectures) {
  for (const auto& one : Names<Variant>::table)
    for (int base : {2, 6, 32})
      EXPECT_EQ(total_parameters(list_layers(network(one.value, base), 1, 64, 48)),
                make_architecture(network(one.value, base)).parameter_count());
  EXPECT_EQ(total_parameters(list_layers(network(Variant::attention3, 32), 2, 256, 256)), 1948503);
  EXPECT_EQ(total_parameters(list_layers(network(Variant::attention4, 32), 2, 256, 256)), 7850713);
  EXPECT_EQ(total_parameters(list_layers(network(Variant::unet3, 32), 2, 256, 256)), 1926433);
  EXPECT_EQ(total_parameters(list_layers(network(Variant::unet4, 32), 2, 256, 256)), 7762465);
}

TEST(LayerList, ForwardWorkIsThePublishedOne) {
  EXPECT_NEAR(total_gigaflops(list_layers(network(Variant::attention3, 32), 1, 256, 256)), 18.8, 0.05);
  EXPECT_NEAR(total_gigaflops(list_layers(network(Variant::attention4, 32), 1, 256, 256)), 24.6, 0.05);
}

TEST(LayerList, WorkIsProportionalToBatchAndParametersAreNot) {
  const auto one = list_layers(network(Variant::attention3, 4), 1, 32, 64),
             five = list_layers(network(Variant::attention3, 4), 5, 32, 64);
  ASSERT_EQ(one.size(), five.size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(five[i].forward_flops, 5 * one[i].forward_flops) << one[i].name;
    EXPECT_EQ(five[i].activation_bytes, 5 * one[i].activation_bytes) << one[i].name;
    EXPECT_EQ(five[i].parameters, one[i].parameters) << one[i].name;
  }
}

// Every parameter tensor belongs to a layer of its name.
TEST(LayerList, NamesAreThoseOfTheTensors) {
  const auto layers = list_layers(network(Variant::attention4, 2), 1, 32, 32);
  for (const TensorSpec& spec : make_architecture(network(Variant::attention4, 2)).parameters) {
    const std::string owner = spec.name.substr(0, spec.name.rfind('.'));
    bool found = false;
    for (const LayerInfo& layer : layers) found = found || layer.name == owner;
    EXPECT_TRUE(found) << spec.name;
  }
}

// The halves of the concatenated tensor belong to the layers that write them.
TEST(LayerList, ConcatAddsNoMemory) {
  const auto layers = list_layers(network(Variant::attention3, 4), 2, 40, 24);
  Index concats = 0;
  for (const LayerInfo& layer : layers) {
    if (layer.kind == LayerKind::concat) {
      EXPECT_EQ(layer.activation_bytes, 0) << layer.name;
      ++concats;
    }
    if (layer.kind == LayerKind::conv_transpose2d || layer.kind == LayerKind::attention_multiply) {
      EXPECT_EQ(layer.activation_bytes, 4 * layer.output.size()) << layer.name;
    }
  }
  EXPECT_EQ(concats, 3);
}

// A plain U-Net's skip lies where max pool and the encoder have it: its half is a copy.
TEST(LayerList, ConcatOfAPlainUNetAddsTheSkip) {
  for (const LayerInfo& layer : list_layers(network(Variant::unet3, 4), 2, 40, 24))
    if (layer.kind == LayerKind::concat) {
      EXPECT_EQ(layer.activation_bytes, 4 * layer.input.size()) << layer.name;
      EXPECT_EQ(layer.output.C, 2 * layer.input.C) << layer.name;
    }
}

// In a double convolution the batch norm drops out what the dropout layer behind it lists; the gate's is not fused.
TEST(LayerList, FusedBatchNormsKnowTheirDropout) {
  const auto layers = list_layers(network(Variant::attention4, 2), 1, 32, 32);
  Index fused = 0, dropouts = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(layers[i].fused, layers[i].kind == LayerKind::dropout ||
                                   (layers[i].name.find(".gate.") == std::string::npos &&
                                    (layers[i].kind == LayerKind::batch_norm || layers[i].kind == LayerKind::relu ||
                                     (layers[i].kind == LayerKind::conv2d && layers[i].name != "head"))))
        << layers[i].name;
    if (layers[i].kind != LayerKind::batch_norm || !layers[i].fused) continue;
    ++fused;
    const bool dropped = layers.at(i + 2).kind == LayerKind::dropout;
    EXPECT_EQ(layers[i].dropout_rate, dropped ? layers[i + 2].dropout_rate : 0) << layers[i].name;
    dropouts += dropped;
  }
  EXPECT_EQ(fused, 18);
  EXPECT_EQ(dropouts, 9);
}

TEST(LayerList, ShowsPaddingAndCropping) {
  const auto padded = list_layers(network(Variant::attention4, 2), 3, 255, 250);
  EXPECT_EQ(padded.front().kind, LayerKind::edge_pad);
  EXPECT_TRUE(padded.front().output == (Shape{3, 256, 256, 1}));
  EXPECT_EQ(padded.back().kind, LayerKind::crop);
  EXPECT_TRUE(padded.back().output == (Shape{3, 255, 250, 1}));
  EXPECT_EQ(list_layers(network(Variant::attention4, 2), 3, 256, 256).size() + 2, padded.size());
}

// Each layer takes what earlier layers gave, of the shape they gave it; all but the last one's output is taken.
TEST(LayerList, ShapesChain) {
  const Shape image{2, 39, 24, 1};
  const auto layers = list_layers(network(Variant::attention3, 4), image.N, image.H, image.W);
  std::vector<bool> taken(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const int operand : layers[i].operands) {
      ASSERT_LT(operand, static_cast<int>(i)) << layers[i].name;
      const Shape& shape = operand < 0 ? image : layers[static_cast<std::size_t>(operand)].output;
      if (operand == layers[i].operands[0]) {
        EXPECT_TRUE(layers[i].input == shape) << layers[i].name;
      }
      EXPECT_EQ(shape.pixels(), layers[i].input.pixels()) << layers[i].name;
      if (operand >= 0) taken[static_cast<std::size_t>(operand)] = true;
    }
  }
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) EXPECT_TRUE(taken[i]) << layers[i].name;
}

// The branches: what a gate takes and what is concatenated.
TEST(LayerList, BranchesJoinInTheGate) {
  const auto layers = list_layers(network(Variant::attention3, 4), 1, 16, 16);
  const auto operands = [&](const std::string& name) {
    std::vector<std::string> names;
    for (const LayerInfo& layer : layers)
      if (layer.name == name)
        for (const int operand : layer.operands) names.push_back(layers[static_cast<std::size_t>(operand)].name);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(operands("decoder.1.up"), (Names{"decoder.2.relu2"}));
  EXPECT_EQ(operands("decoder.1.gate.wg"), (Names{"decoder.1.up"}));
  EXPECT_EQ(operands("decoder.1.gate.wx"), (Names{"encoder.1.relu2"}));
  EXPECT_EQ(operands("decoder.1.gate.add"), (Names{"decoder.1.gate.bn_g", "decoder.1.gate.bn_x"}));
  EXPECT_EQ(operands("decoder.1.gate.multiply"), (Names{"encoder.1.relu2", "decoder.1.gate.sigmoid"}));
  EXPECT_EQ(operands("decoder.1.concat"), (Names{"decoder.1.gate.multiply", "decoder.1.up"}));
  EXPECT_EQ(operands("decoder.1.conv1"), (Names{"decoder.1.concat"}));
}

// Without its gates an Attention U-Net is the plain one: the same other layers, in the same order.
TEST(LayerList, PlainUNetsAreAttentionUNetsWithoutGates) {
  const std::pair<Variant, Variant> pairs[] = {{Variant::unet3, Variant::attention3},
                                               {Variant::unet4, Variant::attention4}};
  for (const auto& [plain, attention] : pairs) {
    const auto layers = list_layers(network(plain, 4), 2, 38, 32);
    std::size_t i = 0;
    for (const LayerInfo& layer : list_layers(network(attention, 4), 2, 38, 32)) {
      if (layer.name.find(".gate.") != std::string::npos) continue;
      ASSERT_LT(i, layers.size());
      EXPECT_EQ(layers[i].name, layer.name);
      EXPECT_TRUE(layers[i].output == layer.output) << layer.name;
      EXPECT_EQ(layers[i].parameters, layer.parameters) << layer.name;
      EXPECT_EQ(layers[i].dropout_rate, layer.dropout_rate) << layer.name;
      ++i;
    }
    EXPECT_EQ(i, layers.size());
  }
}

// Gradients flow to everything that depends on a parameter.
TEST(LayerList, OnlyTheImageNeedsNoGradient) {
  for (const LayerInfo& layer : list_layers(network(Variant::attention4, 2), 1, 30, 32))
    EXPECT_EQ(layer.input_gradient, layer.name != "pad" && layer.name != "encoder.0.conv1") << layer.name;
}

}  // namespace TEST_FILE
}  // namespace attnunet
