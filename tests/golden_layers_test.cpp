// The layers without parameters, the losses and Adam against PyTorch in float64. Convolutions and batch norm:
// golden_conv_test.cpp, golden_batch_norm_test.cpp; blocks and networks: golden_network_test.cpp.
#include "support/backends.h"
#include "support/golden.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class GoldenLayers : public BackendTest<B> {};
TYPED_TEST_SUITE(GoldenLayers, DoubleBackends);

TYPED_TEST(GoldenLayers, Relu) {
  const Golden golden = read_golden("relu");
  expect_golden_layer(gradcheck::relu_case<TypeParam>(this->device, golden.shape("x").size(), 1), golden, {"x"}, "y");
}

TYPED_TEST(GoldenLayers, Sigmoid) {
  const Golden golden = read_golden("sigmoid");
  expect_golden_layer(gradcheck::sigmoid_case<TypeParam>(this->device, golden.shape("x").size(), 1), golden, {"x"},
                      "y");
}

TYPED_TEST(GoldenLayers, MaxPool) {
  const Golden golden = read_golden("max_pool");
  expect_golden_layer(gradcheck::max_pool_case<TypeParam>(this->device, golden.shape("x"), 1), golden, {"x"}, "y");
}

template <class B>
void expect_golden_dropout(typename B::Device& device) {
  for (const char* file : {"dropout", "dropout_single"}) {
    const Golden golden = read_golden(file);
    const DropoutKey key{static_cast<std::uint64_t>(golden.number("seed")),
                         static_cast<std::uint32_t>(golden.number("layer")),
                         static_cast<std::uint32_t>(golden.number("step"))};
    expect_golden_layer(gradcheck::dropout_case<B>(device, golden.shape("x").size(), {golden.number("rate"), key}, 1),
                        golden, {"x"}, "y");
  }
}

TYPED_TEST(GoldenLayers, Dropout) {
  expect_golden_dropout<TypeParam>(this->device);
}

TEST(GoldenReference, Dropout) {
  cpu::Device device(1, ConvMethod::reference);
  expect_golden_dropout<Cpu<double>>(device);
}

TYPED_TEST(GoldenLayers, Concat) {
  const Golden golden = read_golden("concat");
  const Shape a = golden.shape("a"), b = golden.shape("b");
  expect_golden_layer(gradcheck::concat_case<TypeParam>(this->device, a.pixels(), a.C, b.C, 1), golden, {"a", "b"},
                      "y");
}

TYPED_TEST(GoldenLayers, AttentionMultiply) {
  const Golden golden = read_golden("attention_multiply");
  const Shape x = golden.shape("x");
  expect_golden_layer(gradcheck::attention_multiply_case<TypeParam>(this->device, x.pixels(), x.C, 1), golden,
                      {"x", "alpha"}, "y");
}

TYPED_TEST(GoldenLayers, EdgePad) {
  const Golden golden = read_golden("edge_pad");
  const Shape y = golden.shape("y");
  expect_golden_layer(gradcheck::edge_pad_case<TypeParam>(this->device, golden.shape("x"), y.H, y.W, 1), golden, {"x"},
                      "y");
}

TYPED_TEST(GoldenLayers, Crop) {
  const Golden golden = read_golden("crop");
  const Shape x = golden.shape("x");
  expect_golden_layer(gradcheck::crop_case<TypeParam>(this->device, golden.shape("y"), x.H, x.W, 1), golden, {"x"},
                      "y");
}

TYPED_TEST(GoldenLayers, Bce) {
  for (const char* file : {"bce", "bce_single"}) {
    const Golden golden = read_golden(file);
    const Shape z = golden.shape("logits");
    expect_golden_layer(gradcheck::bce_case<TypeParam>(this->device, z.N, z.H * z.W, golden.at("target").values, 1),
                        golden, {"logits"}, "loss");
  }
}

TYPED_TEST(GoldenLayers, Dice) {
  for (const char* file : {"dice", "dice_empty"}) {
    const Golden golden = read_golden(file);
    const Shape z = golden.shape("logits");
    expect_golden_layer(gradcheck::dice_case<TypeParam>(this->device, z.N, z.H * z.W, golden.at("target").values, 1),
                        golden, {"logits"}, "loss");
  }
}

TYPED_TEST(GoldenLayers, Tversky) {
  for (const char* file : {"tversky", "tversky_empty", "tversky_fractions"}) {
    const Golden golden = read_golden(file);
    const Shape z = golden.shape("logits");
    const TverskyOptions options{golden.number("fn"), golden.number("fp"), golden.number("gamma")};
    expect_golden_layer(
        gradcheck::tversky_case<TypeParam>(this->device, z.N, z.H * z.W, golden.at("target").values, options, 1),
        golden, {"logits"}, "loss");
  }
}

TYPED_TEST(GoldenLayers, Focal) {
  for (const char* file : {"focal", "focal_fractions"}) {
    const Golden golden = read_golden(file);
    const Shape z = golden.shape("logits");
    const FocalOptions options{golden.number("gamma"), golden.number("alpha")};
    expect_golden_layer(
        gradcheck::focal_case<TypeParam>(this->device, z.N, z.H * z.W, golden.at("target").values, options, 1), golden,
        {"logits"}, "loss");
  }
}

TYPED_TEST(GoldenLayers, Adam) {
  for (const char* file : {"adam", "adamw"}) {
    const Golden golden = read_golden(file);
    const Index n = golden.dimension("initial", 0), steps = golden.dimension("g", 0);
    const auto row = [&](const char* name, Index step) {
      const auto begin = golden.at(name).values.begin() + step * n;
      return gradcheck::Array{name, std::vector<double>(begin, begin + n)};
    };
    auto w = gradcheck::upload<TypeParam>(this->device, golden.array("initial"));
    auto m = gradcheck::upload<TypeParam>(this->device, {"m", std::vector<double>(static_cast<std::size_t>(n), 0.0)});
    auto v = gradcheck::upload<TypeParam>(this->device, {"v", std::vector<double>(static_cast<std::size_t>(n), 0.0)});
    AdamOptions options;
    options.lr = golden.number("lr");
    options.weight_decay = golden.number("weight_decay");
    ASSERT_EQ(steps, 10);
    for (Index step = 0; step < steps; ++step) {
      options.step = step + 1;
      const auto g = gradcheck::upload<TypeParam>(this->device, row("g", step));
      adam_step(this->device, w.data(), m.data(), v.data(), g.data(), n, options);
      expect_golden(gradcheck::download<TypeParam>(this->device, "w", w), row("w", step), 0);
      expect_golden(gradcheck::download<TypeParam>(this->device, "m", m), row("m", step), 0);
      expect_golden(gradcheck::download<TypeParam>(this->device, "v", v), row("v", step), 0);
    }
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
