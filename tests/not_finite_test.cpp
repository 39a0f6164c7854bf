// NaN and infinity go through every layer, forward and backward, as in PyTorch: the set of results that are not finite
// is PyTorch's (tests/golden/not_finite.safetensors), and the others are the numbers that PyTorch has.
//
// Convolutions on larger images, where tiles and chunks end, are compared with the set that their formulas give. The
// one exception: Winograd's algorithm may spread such a number over its tile.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "support/conv_methods.h"
#include "support/golden.h"
#include "support/layer_cases.h"

namespace attnunet {
namespace TEST_FILE {

using gradcheck::Array;
using gradcheck::download;
using gradcheck::LayerCase;
using gradcheck::upload;
using Names = std::vector<std::string>;

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

// ---- every layer against PyTorch

/// The tensors of one case of the file, without the case's name.
Golden golden_case(const std::string& name) {
  static const Golden all = read_golden("not_finite");
  Golden one;
  for (const auto& [key, tensor] : all.tensors)
    if (key.rfind(name + ".", 0) == 0) one.tensors[key.substr(name.size() + 1)] = tensor;
  return one;
}

/// `tolerance` is of the largest finite number expected. Where `of_use` says no, a number need only be finite.
void expect_like_pytorch(
    const Array& actual, const GoldenTensor& expected, double tolerance,
    const std::function<bool(std::size_t)>& of_use = [](std::size_t) { return true; }) {
  SCOPED_TRACE(actual.name);
  ASSERT_EQ(actual.values.size(), expected.values.size());
  double largest = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i)
    if (std::isfinite(expected.values[i]) && of_use(i)) largest = std::max(largest, std::abs(expected.values[i]));
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    EXPECT_EQ(std::isfinite(actual.values[i]), std::isfinite(expected.values[i])) << i << ": " << actual.values[i];
    if (std::isfinite(expected.values[i]) && of_use(i)) {
      EXPECT_LE(std::abs(actual.values[i] - expected.values[i]), tolerance * largest) << i;
    }
  }
}

template <class B>
constexpr double tolerance = std::is_same_v<typename B::Scalar, double> ? 1e-10 : 1e-5;

/// A layer's forward and backward pass on the inputs of the file, in the case's order. The gradient of `a` is `da`.
template <class B>
void expect_case(
    const LayerCase& layer, const Golden& golden, const Names& inputs, double tolerance = tolerance<B>,
    const std::function<bool(std::size_t)>& of_use = [](std::size_t) { return true; }) {
  SCOPED_TRACE(layer.name);
  std::vector<Array> values;
  for (const std::string& input : inputs) values.push_back(golden.array(input));
  expect_like_pytorch(layer.forward(values).outputs.at(0), golden.at("y"), tolerance);
  const std::vector<Array> gradients = layer.backward(values, {golden.array("dy")});
  ASSERT_EQ(gradients.size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    expect_like_pytorch(gradients[i], golden.at("d" + inputs[i]), tolerance, of_use);
}

template <class B>
class NotFinite : public BackendTest<B> {};
TYPED_TEST_SUITE(NotFinite, AllBackendsAndReference);

TYPED_TEST(NotFinite, Relu) {
  const Golden golden = golden_case("relu");
  expect_case<TypeParam>(gradcheck::relu_case<Code<TypeParam>>(this->device, golden.shape("x").size(), 1), golden,
                         {"x"});
}

TYPED_TEST(NotFinite, Sigmoid) {
  const Golden golden = golden_case("sigmoid");
  expect_case<TypeParam>(gradcheck::sigmoid_case<Code<TypeParam>>(this->device, golden.shape("x").size(), 1), golden,
                         {"x"});
}

TYPED_TEST(NotFinite, Add) {
  const Golden golden = golden_case("add");
  expect_case<TypeParam>(gradcheck::add_case<Code<TypeParam>>(this->device, golden.shape("a").size(), 1), golden,
                         {"a", "b"});
}

TYPED_TEST(NotFinite, MaxPool) {
  for (const char* name : {"max_pool", "max_pool_4"}) {
    const Golden golden = golden_case(name);
    expect_case<TypeParam>(gradcheck::max_pool_case<Code<TypeParam>>(this->device, golden.shape("x"), 1), golden,
                           {"x"});
  }
}

const DropoutKey key{17, 3, 1001};  // of tools/make_golden.py
constexpr double rate = 0.4;

TYPED_TEST(NotFinite, Dropout) {
  const Golden golden = golden_case("dropout");
  expect_case<TypeParam>(
      gradcheck::dropout_case<Code<TypeParam>>(this->device, golden.shape("x").size(), {rate, key}, 1), golden, {"x"});
}

TYPED_TEST(NotFinite, Concat) {
  const Golden golden = golden_case("concat");
  const Shape a = golden.shape("a"), b = golden.shape("b");
  expect_case<TypeParam>(gradcheck::concat_case<Code<TypeParam>>(this->device, a.pixels(), a.C, b.C, 1), golden,
                         {"a", "b"});
}

TYPED_TEST(NotFinite, AttentionMultiply) {
  const Golden golden = golden_case("attention_multiply");
  const Shape x = golden.shape("x");
  expect_case<TypeParam>(gradcheck::attention_multiply_case<Code<TypeParam>>(this->device, x.pixels(), x.C, 1), golden,
                         {"x", "alpha"});
}

TYPED_TEST(NotFinite, EdgePad) {
  const Golden golden = golden_case("edge_pad");
  const Shape y = golden.shape("y");
  expect_case<TypeParam>(gradcheck::edge_pad_case<Code<TypeParam>>(this->device, golden.shape("x"), y.H, y.W, 1),
                         golden, {"x"});
}

TYPED_TEST(NotFinite, Crop) {
  const Golden golden = golden_case("crop");
  const Shape x = golden.shape("x");
  expect_case<TypeParam>(gradcheck::crop_case<Code<TypeParam>>(this->device, golden.shape("y"), x.H, x.W, 1), golden,
                         {"x"});
}

// A channel with such a number is lost as a whole, and no other.
TYPED_TEST(NotFinite, BatchNorm) {
  const Golden golden = golden_case("batch_norm");
  const Shape x = golden.shape("x");
  expect_case<TypeParam>(gradcheck::batch_norm_case<Code<TypeParam>>(this->device, x.pixels(), x.C, 1), golden,
                         {"x", "gamma", "beta"});
}

// Where all of a channel's z are NaN (0 to 2 by x, 6 by gamma, 7 by beta) gradients may be finite, but of no use: they
// take dropped elements for kept ones.
TYPED_TEST(NotFinite, BatchNormReluDropout) {
  const Golden golden = golden_case("batch_norm_relu_dropout");
  const Shape x = golden.shape("x");
  expect_case<TypeParam>(
      gradcheck::batch_norm_relu_dropout_case<Code<TypeParam>>(this->device, x.pixels(), x.C, {rate, key}, 1), golden,
      {"x", "gamma", "beta"}, tolerance<TypeParam>, [&](std::size_t i) {
        return std::set<Index>{3, 4, 5, 8}.count(static_cast<Index>(i) % x.C) > 0;
      });
}

/// The losses of the images, each against its own.
template <class B, class Forward>
void expect_losses(typename B::Device& device, const Golden& golden, const Forward& forward) {
  const Shape z = golden.shape("logits");
  const auto logits = upload<Code<B>>(device, golden.array("logits")),
             target = upload<Code<B>>(device, golden.array("target"));
  typename B::template Buffer<double> losses(device, z.N);
  forward(losses.data(), values(logits.data(), z.N * z.H * z.W), target.data(), z.N);
  Array host{"losses", std::vector<double>(static_cast<std::size_t>(z.N))};
  copy_to_host(device, host.values.data(), losses.data(), z.N);
  expect_like_pytorch(host, golden.at("y"), tolerance<B>);
}

TYPED_TEST(NotFinite, Bce) {
  using T = typename TypeParam::Scalar;
  const Golden golden = golden_case("bce");
  const Shape z = golden.shape("logits");
  expect_losses<TypeParam>(this->device, golden, [&](double* losses, Values<const T> logits, const T* target, Index N) {
    bce_forward(this->device, losses, logits, target, N);
  });
  const auto layer = gradcheck::bce_case<Code<TypeParam>>(this->device, z.N, z.H * z.W, golden.at("target").values, 1);
  expect_like_pytorch(layer.backward({golden.array("logits")}, {{"", {1.0}}})[0], golden.at("dlogits"),
                      tolerance<TypeParam>);
}

TYPED_TEST(NotFinite, Dice) {
  using T = typename TypeParam::Scalar;
  const Golden golden = golden_case("dice");
  const Shape z = golden.shape("logits");
  typename TypeParam::template Buffer<double> sums(this->device, 3 * z.N);
  expect_losses<TypeParam>(this->device, golden, [&](double* losses, Values<const T> logits, const T* target, Index N) {
    dice_forward(this->device, losses, sums.data(), logits, target, N);
  });
  const auto layer = gradcheck::dice_case<Code<TypeParam>>(this->device, z.N, z.H * z.W, golden.at("target").values, 1);
  expect_like_pytorch(layer.backward({golden.array("logits")}, {{"", {1.0}}})[0], golden.at("dlogits"),
                      tolerance<TypeParam>);
}

TYPED_TEST(NotFinite, Tversky) {
  using T = typename TypeParam::Scalar;
  const Golden golden = golden_case("tversky");
  const Shape z = golden.shape("logits");
  typename TypeParam::template Buffer<double> sums(this->device, 3 * z.N);
  expect_losses<TypeParam>(this->device, golden, [&](double* losses, Values<const T> logits, const T* target, Index N) {
    tversky_forward(this->device, losses, sums.data(), logits, target, N, TverskyOptions());
  });
  const auto layer = gradcheck::tversky_case<Code<TypeParam>>(this->device, z.N, z.H * z.W, golden.at("target").values,
                                                              TverskyOptions(), 1);
  expect_like_pytorch(layer.backward({golden.array("logits")}, {{"", {1.0}}})[0], golden.at("dlogits"),
                      tolerance<TypeParam>);
}

TYPED_TEST(NotFinite, Focal) {
  using T = typename TypeParam::Scalar;
  const Golden golden = golden_case("focal");
  const Shape z = golden.shape("logits");
  expect_losses<TypeParam>(this->device, golden, [&](double* losses, Values<const T> logits, const T* target, Index N) {
    focal_forward(this->device, losses, logits, target, N, FocalOptions());
  });
  const auto layer = gradcheck::focal_case<Code<TypeParam>>(this->device, z.N, z.H * z.W, golden.at("target").values,
                                                            FocalOptions(), 1);
  expect_like_pytorch(layer.backward({golden.array("logits")}, {{"", {1.0}}})[0], golden.at("dlogits"),
                      tolerance<TypeParam>);
}

TYPED_TEST(NotFinite, FoldBatchNorm) {
  using T = typename TypeParam::Scalar;
  const Golden golden = golden_case("fold_batch_norm");
  auto w = upload<Code<TypeParam>>(this->device, golden.array("w")),
       beta = upload<Code<TypeParam>>(this->device, golden.array("beta"));
  auto gamma = upload<Code<TypeParam>>(this->device, golden.array("gamma"));
  const auto mean = upload<Code<TypeParam>>(this->device, golden.array("running_mean"));
  const auto var = upload<Code<TypeParam>>(this->device, golden.array("running_var"));
  const Index K = beta.size();
  fold_batch_norm(this->device, w.data(), BatchNormParameters<T>{gamma.data(), beta.data()},
                  RunningStatistics<const T>{mean.data(), var.data()}, K, w.size() / K);
  expect_like_pytorch(download<Code<TypeParam>>(this->device, "w", w), golden.at("after.w"), tolerance<TypeParam>);
  expect_like_pytorch(download<Code<TypeParam>>(this->device, "beta", beta), golden.at("after.beta"),
                      tolerance<TypeParam>);
}

TYPED_TEST(NotFinite, Adam) {
  const Golden golden = golden_case("adam");
  auto w = upload<Code<TypeParam>>(this->device, golden.array("w")),
       m = upload<Code<TypeParam>>(this->device, golden.array("m"));
  auto v = upload<Code<TypeParam>>(this->device, golden.array("v"));
  const auto g = upload<Code<TypeParam>>(this->device, golden.array("g"));
  AdamOptions options;
  options.step = 2;
  adam_step(this->device, w.data(), m.data(), v.data(), g.data(), w.size(), options);
  expect_like_pytorch(download<Code<TypeParam>>(this->device, "w", w), golden.at("after.w"), tolerance<TypeParam>);
  expect_like_pytorch(download<Code<TypeParam>>(this->device, "m", m), golden.at("after.m"), tolerance<TypeParam>);
  expect_like_pytorch(download<Code<TypeParam>>(this->device, "v", v), golden.at("after.v"), tolerance<TypeParam>);
}

// PyTorch's logit > 0: false for NaN.
TYPED_TEST(NotFinite, SegmentationCounts) {
  const auto logits = upload<Code<TypeParam>>(this->device, {"", {nan, inf, -inf, nan, inf, -inf}});
  const auto target = upload<Code<TypeParam>>(this->device, {"", {1, 1, 1, 0, 0, 0}});
  typename TypeParam::template Buffer<PixelCounts> counts(this->device, 1);
  segmentation_counts(this->device, counts.data(), values(logits.data(), 6), target.data(), Index{1});
  PixelCounts found{};
  copy_to_host(this->device, &found, counts.data(), 1);
  EXPECT_EQ(found.tp, 1);
  EXPECT_EQ(found.fp, 1);
  EXPECT_EQ(found.fn, 2);
  EXPECT_EQ(found.tn, 2);
}

// ---- convolutions

#ifdef ATTNUNET_TEST_CUDA
using CudaPrecisions =
    ::testing::Types<CudaIn<CudaSim<float>, Precision::tf32>, CudaIn<CudaSim<float>, Precision::bf16>,
                     CudaIn<Cuda<float>, Precision::tf32>, CudaIn<Cuda<float>, Precision::bf16>>;
#else
using CudaPrecisions =
    ::testing::Types<CudaIn<CudaSim<float>, Precision::tf32>, CudaIn<CudaSim<float>, Precision::bf16>>;
#endif
using ConvBackends =
    Joined<Joined<AllBackends, CudaPrecisions>::type, Joined<CpuMethods<float>, CpuMethods<double>>::type>::type;

template <class B>
constexpr bool rounds_operands = false;
template <class B, Precision precision>
constexpr bool rounds_operands<CudaIn<B, precision>> = true;

using Places = std::set<std::size_t>;

Places not_finite(const std::vector<double>& values) {
  Places places;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i])) places.insert(i);
  return places;
}

struct ConvResults {
  Places y, dx, dw, db;
};

/// What the formulas of cpu/conv2d.h make not finite: in y and dw the padding's zeros are multiplied, in dx not.
ConvResults expected_of(const Conv2dGeometry& g, const Places& x, const Places& w, const Places& b, const Places& dy) {
  const Index q = (g.R - 1) / 2;
  ConvResults result;
  const auto insert = [](Places& places, Index place) { places.insert(static_cast<std::size_t>(place)); };
  // Calls at(pixel, tap) for the pixels that `pixel` meets: one with tap (r, s) `sign` times (r - q, s - q) away.
  const auto for_each_neighbour = [&](Index pixel, Index sign, const auto& at) {
    const Index h = pixel / g.W % g.H, v = pixel % g.W;
    for (Index r = 0; r < g.R; ++r)
      for (Index s = 0; s < g.R; ++s) {
        const Index i = h + sign * (r - q), j = v + sign * (s - q);
        if (i >= 0 && i < g.H && j >= 0 && j < g.W) at(pixel + (i - h) * g.W + j - v, r * g.R + s);
      }
  };
  for (const std::size_t place : x) {
    const Index pixel = static_cast<Index>(place) / g.C, c = static_cast<Index>(place) % g.C;
    for_each_neighbour(pixel, -1, [&](Index of_y, Index tap) {
      for (Index k = 0; k < g.K; ++k) {
        insert(result.y, of_y * g.K + k);
        insert(result.dw, (k * g.R * g.R + tap) * g.C + c);
      }
    });
  }
  for (const std::size_t place : w) {
    const Index k = static_cast<Index>(place) / (g.R * g.R * g.C), c = static_cast<Index>(place) % g.C;
    const Index of_w = static_cast<Index>(place) / g.C % (g.R * g.R);
    for (Index pixel = 0; pixel < g.pixels(); ++pixel) {
      insert(result.y, pixel * g.K + k);
      for_each_neighbour(pixel, -1, [&](Index, Index tap) {
        if (tap == of_w) insert(result.dx, pixel * g.C + c);
      });
    }
  }
  for (const std::size_t k : b)
    for (Index pixel = 0; pixel < g.pixels(); ++pixel) insert(result.y, pixel * g.K + static_cast<Index>(k));
  for (const std::size_t place : dy) {
    const Index pixel = static_cast<Index>(place) / g.K, k = static_cast<Index>(place) % g.K;
    insert(result.db, k);
    for (Index i = 0; i < g.R * g.R * g.C; ++i) insert(result.dw, k * g.R * g.R * g.C + i);
    for_each_neighbour(pixel, 1, [&](Index of_x, Index) {
      for (Index c = 0; c < g.C; ++c) insert(result.dx, of_x * g.C + c);
    });
  }
  return result;
}

/// All pixels of the 4 x 4 tiles that have some, channel by channel.
Places whole_tiles(const Places& places, const Conv2dGeometry& g, Index channels) {
  Places all;
  for (const std::size_t place : places) {
    const Index at = static_cast<Index>(place), c = at % channels, p = at / channels;
    const Index n = p / (g.H * g.W), h = p / g.W % g.H / 4 * 4, w = p % g.W / 4 * 4;
    for (Index i = h; i < std::min(h + 4, g.H); ++i)
      for (Index j = w; j < std::min(w + 4, g.W); ++j)
        all.insert(static_cast<std::size_t>(((n * g.H + i) * g.W + j) * channels + c));
  }
  return all;
}
Places whole_kernels(const Places& places, const Conv2dGeometry& g) {
  Places all;
  for (const std::size_t place : places)
    for (Index tap = 0; tap < 9; ++tap)
      all.insert(static_cast<std::size_t>((static_cast<Index>(place) / g.C / 9 * 9 + tap) * g.C +
                                          static_cast<Index>(place) % g.C));
  return all;
}

template <class Device>
bool by_winograd(const Device& device, const Conv2dGeometry& g) {
  if constexpr (std::is_base_of_v<cpu::Device, Device>)
    return cpu::conv2d_method(device, g) == ConvMethod::winograd;
  else
    return false;
}

/// Equal, or with all of `spread`, between the two.
void expect_places(const std::string& name, const Places& actual, const Places& expected, const Places* spread) {
  SCOPED_TRACE(name);
  if (spread == nullptr) {
    EXPECT_EQ(actual, expected);
    return;
  }
  EXPECT_TRUE(std::includes(actual.begin(), actual.end(), expected.begin(), expected.end())) << "some are lost";
  EXPECT_TRUE(std::includes(spread->begin(), spread->end(), actual.begin(), actual.end())) << "beyond the tiles";
}

/// {tensor, index}: index from the end if negative.
struct Plant {
  std::size_t input;  ///< 0: x, 1: w, 2: b, 3: dy
  Index place;
};

template <class B>
void expect_conv2d(typename B::Device& device, const Conv2dGeometry& g, const std::vector<Plant>& plants) {
  const auto layer = gradcheck::conv2d_case<Code<B>>(device, g, true, 3);
  Random random(4);
  std::vector<Array> tensors = layer.inputs;
  tensors.push_back(gradcheck::random_array("dy", g.pixels() * g.K, random));
  Index planted = 0;
  for (const Plant& plant : plants) {
    std::vector<double>& values = tensors.at(plant.input).values;
    const Index place = plant.place < 0 ? plant.place + static_cast<Index>(values.size()) : plant.place;
    values.at(static_cast<std::size_t>(place)) =
        std::vector<double>{nan, inf, -inf}[static_cast<std::size_t>(planted++ % 3)];
  }
  const std::vector<Array> inputs(tensors.begin(), tensors.end() - 1);
  const ConvResults expected = expected_of(g, not_finite(tensors[0].values), not_finite(tensors[1].values),
                                           not_finite(tensors[2].values), not_finite(tensors[3].values));
  const bool forward_spreads = by_winograd(device, g),
             data_spreads = by_winograd(device, {g.N, g.H, g.W, g.K, g.C, g.R});
  const Places y_tiles = whole_tiles(expected.y, g, g.K), dx_tiles = whole_tiles(expected.dx, g, g.C);
  const Places kernels = whole_kernels(expected.dw, g);
  expect_places("y", not_finite(layer.forward(inputs).outputs[0].values), expected.y,
                forward_spreads ? &y_tiles : nullptr);
  const std::vector<Array> gradients = layer.backward(inputs, {tensors[3]});
  expect_places("dx", not_finite(gradients[0].values), expected.dx, data_spreads ? &dx_tiles : nullptr);
  expect_places("dw", not_finite(gradients[1].values), expected.dw, forward_spreads ? &kernels : nullptr);
  expect_places("db", not_finite(gradients[2].values), expected.db, nullptr);
}

template <class B>
class NotFiniteConv : public BackendTest<B> {
 protected:
  /// Of the products of rounded operands finite numbers are not compared closely.
  static constexpr double tolerated = rounds_operands<B> ? 0.05 : tolerance<B>;
};
TYPED_TEST_SUITE(NotFiniteConv, ConvBackends);

// {N, H, W, C, K, R}: small ones; many tiles and chunks with ragged ends; one channel on a side; enough for Winograd.
const std::vector<Conv2dGeometry> shapes = {{1, 3, 3, 2, 3, 3},   {2, 5, 7, 3, 4, 3},   {1, 19, 37, 8, 12, 3},
                                            {1, 3, 515, 8, 4, 3}, {1, 9, 11, 1, 8, 3},  {1, 6, 5, 16, 17, 3},
                                            {1, 9, 7, 4, 1, 1},   {2, 17, 9, 5, 12, 1}, {1, 40, 33, 16, 36, 1}};

std::string text(const Conv2dGeometry& g) {
  std::string result;
  for (const Index n : {g.N, g.H, g.W, g.C, g.K, g.R}) result += std::to_string(n) + " ";
  return result;
}

// Corners and the inside of x, and the ends of its rows, which tiles keep beside each other.
TYPED_TEST(NotFiniteConv, X) {
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    for (const Index place : {Index{0}, Index{-1}, g.W * g.C - 1, g.W * g.C, (g.W + g.W / 2) * g.C + g.C / 2})
      expect_conv2d<TypeParam>(this->device, g, {{0, place}});
    expect_conv2d<TypeParam>(this->device, g, {{0, 0}, {0, g.W * g.C + 1}, {0, -1}});
  }
}

TYPED_TEST(NotFiniteConv, Weights) {
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    for (const Index place : {Index{0}, Index{-1}, g.weights() / 2})
      expect_conv2d<TypeParam>(this->device, g, {{1, place}});
    expect_conv2d<TypeParam>(this->device, g, {{2, 0}});
  }
}

TYPED_TEST(NotFiniteConv, Dy) {
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    for (const Index place : {Index{0}, Index{-1}, g.W * g.K - 1, g.W * g.K, (g.W + g.W / 2) * g.K + g.K / 2})
      expect_conv2d<TypeParam>(this->device, g, {{3, place}});
  }
}

/// The convolution's ReLU keeps NaN, and what infinity makes of the sum.
TYPED_TEST(NotFiniteConv, Activation) {
  auto& device = this->device;
  for (const Conv2dGeometry& g : shapes) {
    SCOPED_TRACE(text(g));
    const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(device, g, true, 3);
    std::vector<Array> inputs = layer.inputs;
    inputs[0].values.front() = nan;
    inputs[0].values.back() = inf;
    const auto x = upload<Code<TypeParam>>(device, inputs[0]), w = upload<Code<TypeParam>>(device, inputs[1]);
    const auto b = upload<Code<TypeParam>>(device, inputs[2]);
    auto y = gradcheck::poisoned<Code<TypeParam>>(device, g.pixels() * g.K);
    auto workspace = gradcheck::poisoned<Code<TypeParam>>(device, conv2d_workspace(device, g));
    conv2d_forward(device, values(y.data(), g.pixels(), g.K), values(x.data(), g.pixels(), g.C), w.data(),
                   {b.data(), Write::set, Activation::relu}, workspace.data(), g);
    const Array plain = layer.forward(inputs).outputs[0], clipped = download<Code<TypeParam>>(device, "y", y);
    for (std::size_t i = 0; i < plain.values.size(); ++i) {
      const double expected = plain.values[i] <= 0 ? 0 : plain.values[i];
      EXPECT_TRUE(clipped.values[i] == expected || (std::isnan(clipped.values[i]) && std::isnan(expected))) << i;
    }
  }
}

TYPED_TEST(NotFiniteConv, ConvTranspose2d) {
  for (const char* planted : {"x", "w", "dy"}) {
    Golden golden = golden_case(std::string("conv_transpose2d.") + planted);
    const Shape x = golden.shape("x");
    const ConvTranspose2dGeometry g{x.N, x.H, x.W, x.C, golden.dimension("w", 1)};
    for (const char* weights : {"w", "dw"})
      golden.tensors[weights] = conv_transpose_weights_to_ours(golden.at(weights));
    SCOPED_TRACE(planted);
    expect_case<TypeParam>(gradcheck::conv_transpose2d_case<Code<TypeParam>>(this->device, g, true, 1), golden,
                           {"x", "w", "b"}, this->tolerated);
  }
}

TYPED_TEST(NotFiniteConv, Conv2d) {
  for (const char* name : {"conv2d_3x3", "conv2d_3x3_odd", "conv2d_3x3_thin", "conv2d_1x1", "conv2d_1x1_thin"})
    for (const char* planted : {"x", "w", "dy"}) {
      Golden golden = golden_case(std::string(name) + "." + planted);
      SCOPED_TRACE(std::string(name) + "." + planted);
      const Shape x = golden.shape("x");
      const Conv2dGeometry g{x.N, x.H, x.W, x.C, golden.dimension("w", 0), golden.dimension("w", 2)};
      for (const char* weights : {"w", "dw"}) golden.tensors[weights] = conv_weights_to_ours(golden.at(weights));
      if (by_winograd(this->device, g)) continue;  // spreads: the tests above
      const auto layer = gradcheck::conv2d_case<Code<TypeParam>>(this->device, g, true, 1);
      expect_case<TypeParam>(layer, golden, {"x", "w", "b"}, this->tolerated);
    }
}

// ---- the network

template <class B>
class NotFiniteNetwork : public SmallNetworkTest<B> {};
TYPED_TEST_SUITE(NotFiniteNetwork, AllBackends);

// One NaN in the image or in any parameter: logits are NaN, and nothing on the way hides it.
TYPED_TEST(NotFiniteNetwork, EveryParameterReachesTheLogits) {
  NetworkConfig config;
  config.variant = Variant::attention3;
  config.base = 2;
  const auto network = gradcheck::attention_unet_case<Code<TypeParam>>(this->device, config, 2, 8, 16, {true, 3, 5}, 6);
  EXPECT_TRUE(not_finite(network.forward(network.inputs).outputs.at(0).values).empty());
  for (std::size_t i = 0; i < network.inputs.size(); ++i) {
    std::vector<Array> inputs = network.inputs;
    inputs[i].values[inputs[i].values.size() / 2] = nan;
    const std::vector<double> logits = network.forward(inputs).outputs.at(0).values;
    EXPECT_EQ(not_finite(logits).size(), logits.size()) << inputs[i].name;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
