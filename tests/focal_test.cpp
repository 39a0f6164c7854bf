#include "cpu/focal.h"

#include "common/gradcheck/cases/bce.h"
#include "common/gradcheck/cases/focal.h"
#include "cuda/focal.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

// The defaults; an exponent below 1, whose power has no derivative at 0; none at all; lesion pixels alone.
const FocalOptions focal_options[] = {{}, {0.5, 0.6}, {0, 0.25}, {3, 1}};

template <class B>
class FocalGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(FocalGradient, DoubleBackends);

TYPED_TEST(FocalGradient, MatchesNumeric) {
  for (const FocalOptions& options : focal_options)
    for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {1, 1}, {3, 64}, {1, 1001}})
      expect_gradients(gradcheck::focal_case<TypeParam>(this->device, N, P, {}, options, 7));
}

template <class B>
class Focal : public BackendTest<B> {};
TYPED_TEST_SUITE(Focal, AllBackends);

// Where the textbook formula takes the logarithm of 0: a right answer costs nothing, a wrong one its logit times its
// weight; the gradient is 0 or the weight.
TYPED_TEST(Focal, HugeLogits) {
  for (const double gamma : {0.0, 0.5, 2.0, 100.0}) {
    auto layer = gradcheck::focal_case<TypeParam>(this->device, 1, 4, {1, 0, 1, 0}, {gamma, 0.25}, 7);
    layer.inputs[0].values = {1e4, -1e4, -1e4, 1e4};
    EXPECT_EQ(layer.forward(layer.inputs).outputs[0].values, (std::vector<double>{2500})) << gamma;
    EXPECT_EQ(layer.backward(layer.inputs, {{"", {4}}})[0].values, (std::vector<double>{0, 0, -0.25, 0.75})) << gamma;
  }
}

TYPED_TEST(Focal, KnownValues) {
  const auto loss = [&](double target, double logit) {
    auto layer = gradcheck::focal_case<TypeParam>(this->device, 1, 1, {target}, {2, 0.25}, 7);
    return layer.forward({{"", {logit}}}).outputs[0].values[0];
  };
  EXPECT_NEAR(loss(1, 0), 0.25 * 0.25 * std::log(2.0), 1e-6);
  EXPECT_NEAR(loss(0, 0), 0.75 * 0.25 * std::log(2.0), 1e-6);
  const double log3 = std::log(3.0);  // p = 3/4
  EXPECT_NEAR(loss(1, log3), 0.25 / 16 * std::log(4.0 / 3), 1e-6);
  EXPECT_NEAR(loss(0, log3), 0.75 * 9 / 16 * std::log(4.0), 1e-6);
  EXPECT_NEAR(loss(0.25, log3), 0.25 * loss(1, log3) + 0.75 * loss(0, log3), 1e-6);
}

// Without an exponent and with equal weights.
TYPED_TEST(Focal, IsHalfOfBce) {
  auto focal = gradcheck::focal_case<TypeParam>(this->device, 2, 35, {}, {0, 0.5}, 7);
  auto bce = gradcheck::bce_case<TypeParam>(this->device, 2, 35, {}, 7);
  const auto loss = bce.forward(bce.inputs).outputs[0], gradient = bce.backward(bce.inputs, {{"", {1}}})[0];
  ASSERT_EQ(focal.inputs[0].values, bce.inputs[0].values);
  const double twice = 2 * focal.forward(bce.inputs).outputs[0].values[0];
  EXPECT_TRUE(close({"", {twice}}, loss, everywhere(loss, 1e-6)));
  EXPECT_TRUE(close(focal.backward(bce.inputs, {{"", {2}}})[0], gradient, everywhere(gradient, 1e-8)));
}

// A pixel that is already right counts for less, and the more so the higher the exponent.
TYPED_TEST(Focal, EasyPixelsCountLess) {
  double before = 1;
  for (const double gamma : {0.0, 1.0, 2.0, 5.0}) {
    auto layer = gradcheck::focal_case<TypeParam>(this->device, 1, 2, {1, 1}, {gamma, 0.5}, 7);
    const auto gradient = layer.backward({{"", {3, -3}}}, {{"", {2}}})[0].values;
    const double share = gradient[0] / gradient[1];
    EXPECT_GT(share, 0);
    EXPECT_LT(share, before);
    before = share;
  }
}

TYPED_TEST(Focal, NaNIsNotLost) {
  for (const double gamma : {0.0, 2.0}) {
    auto layer = gradcheck::focal_case<TypeParam>(this->device, 1, 3, {1, 0, 1}, {gamma, 0.25}, 7);
    layer.inputs[0].values = {1, std::nan(""), 1};
    EXPECT_TRUE(std::isnan(layer.forward(layer.inputs).outputs[0].values[0]));
    EXPECT_TRUE(std::isnan(layer.backward(layer.inputs, {{"", {1}}})[0].values[1]));
  }
}

// No term of a pixel's loss is negative, so the loss keeps the roundings of its terms: p and 1 - p have three,
// their power gamma times that, the logarithm and the products some more. A gradient is off by a few roundings of
// 1 + gamma/e, its bound (cpu/focal.h).
constexpr double focal_roundings = 12;

template <class B>
class FocalFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(FocalFloat, FloatBackends);

TYPED_TEST(FocalFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  for (const FocalOptions& options : focal_options) {
    auto low = gradcheck::focal_case<TypeParam>(this->device, 3, 1001, {}, options, 9);
    auto exact = gradcheck::focal_case<Cpu<double>>(exact_device, 3, 1001, {}, options, 9);
    low.inputs[0] = rounded_to_float(low.inputs[0]);
    const auto loss = exact.forward(low.inputs).outputs[0];
    const auto actual_loss = low.forward(low.inputs).outputs[0];
    EXPECT_TRUE(close(actual_loss, loss, everywhere(loss, float_bound(loss.values[0], focal_roundings))));
    const gradcheck::Array upstream{"", {3003}};
    const auto gradient = exact.backward(low.inputs, {upstream})[0];
    const auto bounds = everywhere(gradient, float_bound(1 + options.gamma / std::exp(1.0), focal_roundings));
    const auto actual = low.backward(low.inputs, {upstream})[0];
    EXPECT_TRUE(close(actual, gradient, bounds));
    this->RecordProperty("tightness", std::to_string(tightness(actual, gradient, bounds)));
  }
}

template <class B>
class FocalAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(FocalAgainstCpu, CudaBackends);

// exp, log1p and pow may differ in their last bits, and the sums in their order: in double that is a rounding per
// pixel. Else bounds as against double. The images are shorter and longer than a block of threads.
TYPED_TEST(FocalAgainstCpu, Close) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  const FocalOptions options;
  for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {1, 1}, {2, 9001}}) {
    const auto actual = both_passes(gradcheck::focal_case<TypeParam>(this->device, N, P, {}, options, 2));
    const auto expected = both_passes(gradcheck::focal_case<CpuLike<TypeParam>>(cpu, N, P, {}, options, 2));
    const double length = focal_roundings + (std::is_same_v<T, double> ? static_cast<double>(P) : 0);
    const auto& loss = expected.forward.outputs[0];
    EXPECT_TRUE(close(actual.forward.outputs[0], loss, everywhere(loss, bound_between<T>(loss.values[0], length))));
    const auto& gradient = expected.gradients[0];
    const double largest =
        (1 + options.gamma / std::exp(1.0)) * std::abs(expected.upstream.values[0]) / static_cast<double>(N * P);
    EXPECT_TRUE(close(actual.gradients[0], gradient, everywhere(gradient, bound_between<T>(largest, focal_roundings))));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
