#include "cpu/tversky.h"

#include "common/gradcheck/cases/dice.h"
#include "common/gradcheck/cases/tversky.h"
#include "cuda/dice.h"
#include "cuda/tversky.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

// The defaults; an exponent above 1 and equal weights; the plain loss, with more weight on false positives.
const TverskyOptions tversky_options[] = {{}, {0.5, 0.5, 1.5}, {0.2, 1, 1}};

template <class B>
class TverskyGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(TverskyGradient, DoubleBackends);

TYPED_TEST(TverskyGradient, MatchesNumeric) {
  for (const TverskyOptions& options : tversky_options)
    for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {1, 1}, {3, 64}, {1, 1001}})
      expect_gradients(gradcheck::tversky_case<TypeParam>(this->device, N, P, {}, options, 7));
}

// Without a lesion in truth 1 - TI = b FP / (e + b FP), whose slope b e / (e + b FP)^2 is too small for a difference
// quotient; with two pixels at p = 1/2, FP is 1.
TYPED_TEST(TverskyGradient, EmptyTruth) {
  const TverskyOptions options;
  auto layer = gradcheck::tversky_case<TypeParam>(this->device, 1, 2, {0, 0}, options, 7);
  const auto gradient = layer.backward({{"", {0, 0}}}, {{"", {1}}})[0].values;
  const double D = 1e-5 + 0.3, expected = 0.75 * std::pow(0.3 / D, -0.25) * 0.3 * 1e-5 / (D * D) / 4;
  EXPECT_NEAR(gradient[0], expected, 1e-12 * expected);
  EXPECT_NEAR(gradient[1], expected, 1e-12 * expected);
}

template <class B>
class Tversky : public BackendTest<B> {};
TYPED_TEST_SUITE(Tversky, AllBackends);

TYPED_TEST(Tversky, KnownValues) {
  const auto loss = [&](std::vector<double> target, std::vector<double> logits, const TverskyOptions& options) {
    const Index P = static_cast<Index>(target.size());
    auto layer = gradcheck::tversky_case<TypeParam>(this->device, 1, P, std::move(target), options, 7);
    return layer.forward({{"", std::move(logits)}}).outputs[0].values[0];
  };
  const TverskyOptions plain{0.7, 0.3, 1};
  EXPECT_NEAR(loss({1, 0}, {100, -100}, plain), 0, 1e-6);              // perfect
  EXPECT_NEAR(loss({1, 0}, {-100, 100}, plain), 1, 2e-5);              // no overlap
  EXPECT_NEAR(loss({1, 1}, {100, -100}, plain), 0.7 / 1.70001, 1e-6);  // half is missed
  EXPECT_NEAR(loss({1, 0}, {100, 100}, plain), 0.3 / 1.30001, 1e-6);   // as much again is false
  EXPECT_NEAR(loss({1, 0}, {100, 100}, {}), std::pow(0.3 / 1.30001, .75), 1e-6);
  EXPECT_EQ(loss({0, 0}, {-1000, -1000}, {}), 0);  // both empty
}

// The same overlap as dice: a = b = 1/2, an exponent of 1, and half of dice's smoothing, which is lost in 1e-5.
TYPED_TEST(Tversky, EqualWeightsAreDice) {
  auto tversky = gradcheck::tversky_case<TypeParam>(this->device, 2, 35, {}, {0.5, 0.5, 1}, 7);
  auto dice = gradcheck::dice_case<TypeParam>(this->device, 2, 35, {}, 7);
  ASSERT_EQ(tversky.inputs[0].values, dice.inputs[0].values);
  const auto one = dice.forward(dice.inputs).outputs[0];
  EXPECT_TRUE(close(tversky.forward(dice.inputs).outputs[0], one, everywhere(one, 2e-6)));
  const auto gradient = dice.backward(dice.inputs, {{"", {1}}})[0];
  EXPECT_TRUE(close(tversky.backward(dice.inputs, {{"", {1}}})[0], gradient, everywhere(gradient, 1e-7)));
}

// As the prediction becomes right, (1 - TI)^(g - 1) grows without bound for g < 1. The gradient by the logits stays
// within (2 g / N) TI (1 - TI)^g, and is 0 at the end. Logits as far out as e^-|z| can be told from 0, and further.
TYPED_TEST(Tversky, GradientIsBoundedUpToThePerfectPrediction) {
  using T = typename TypeParam::Scalar;
  for (const double gamma : {0.1, 0.75, 1.0, 2.0})
    for (const double z : {3., 16., 17., 50., 87., 100., 103., 104., 110., 600., 740., 746., 1e4, 1e30}) {
      SCOPED_TRACE(testing::Message() << "gamma " << gamma << ", logits of " << z);
      auto layer = gradcheck::tversky_case<TypeParam>(this->device, 1, 4, {1, 0, 0, 1}, {0.7, 0.3, gamma}, 7);
      const gradcheck::Array logits{"", {z, -z, -z, z}};
      const double loss = layer.forward({logits}).outputs[0].values[0];
      const double bound = 2 * gamma * loss * (1 + 16 * static_cast<double>(std::numeric_limits<T>::epsilon()));
      const auto gradient = layer.backward({logits}, {{"", {1}}})[0].values;
      for (const std::size_t i : {0, 1, 2, 3}) {
        EXPECT_LE(std::abs(gradient[i]), bound) << i;
        if (bound > 100 * static_cast<double>(std::numeric_limits<T>::min()) && std::pow(loss, 1 / gamma) > 1e-200) {
          EXPECT_TRUE(i == 0 || i == 3 ? gradient[i] < 0 : gradient[i] > 0) << i << ": " << gradient[i];
        }
      }
    }
}

// What is nearly right keeps its digits: 1 - p is not a difference of 1 and p, nor 1 - TI one of 1 and TI.
TYPED_TEST(Tversky, NothingCancels) {
  auto layer = gradcheck::tversky_case<TypeParam>(this->device, 1, 4, {1, 0, 0, 1}, {0.7, 0.3, 1}, 7);
  for (const double z : {20., 40., 80.}) {
    const double expected = 2 * std::exp(-z) / 2.00001;
    EXPECT_NEAR(layer.forward({{"", {z, -z, -z, z}}}).outputs[0].values[0], expected, 1e-5 * expected);
  }
}

TYPED_TEST(Tversky, NaNIsNotLost) {
  auto layer = gradcheck::tversky_case<TypeParam>(this->device, 1, 3, {1, 0, 1}, {}, 7);
  layer.inputs[0].values = {1, std::nan(""), 1};
  EXPECT_TRUE(std::isnan(layer.forward(layer.inputs).outputs[0].values[0]));
  const auto gradient = layer.backward(layer.inputs, {{"", {1}}})[0].values;
  for (const double value : gradient) EXPECT_TRUE(std::isnan(value));
}

// a weighs what is missed, b what is falsely found.
TYPED_TEST(Tversky, WeightsAreNotSwapped) {
  const auto loss = [&](std::vector<double> logits, const TverskyOptions& options) {
    auto layer = gradcheck::tversky_case<TypeParam>(this->device, 1, 3, {1, 1, 0}, options, 7);
    return layer.forward({{"", std::move(logits)}}).outputs[0].values[0];
  };
  const std::vector<double> misses{20, -20, -20}, alarms{20, 20, 20};
  EXPECT_GT(loss(misses, {0.9, 0.1, 1}), loss(misses, {0.1, 0.9, 1}));
  EXPECT_LT(loss(alarms, {0.9, 0.1, 1}), loss(alarms, {0.1, 0.9, 1}));
}

/// For each pixel, what its gradient is made of: the sizes of both terms, as if none had a sign.
template <class B>
std::vector<double> terms_of_gradient(typename B::Device& device, const gradcheck::Array& logits,
                                      const std::vector<double>& target, Index N, const TverskyOptions& options) {
  const Index P = static_cast<Index>(target.size()) / N;
  const auto z = gradcheck::upload<B>(device, logits), q = gradcheck::upload<B>(device, {"", target});
  typename B::template Buffer<double> loss(device, N), sums(device, 3 * N);
  tversky_forward(device, loss.data(), sums.data(), values(z.data(), N * P), q.data(), N, options);
  std::vector<double> s(static_cast<std::size_t>(3 * N)), terms;
  copy_to_host(device, s.data(), sums.data(), 3 * N);
  for (Index i = 0; i < N * P; ++i) {
    const double* of_image = s.data() + 3 * (i / P);
    const double right = of_image[0] + 1e-5, E = options.fn * of_image[1] + options.fp * of_image[2], D = right + E;
    const double scale = options.gamma * std::pow(E / D, options.gamma - 1) / (D * D) / static_cast<double>(N);
    const double p = 1 / (1 + std::exp(-logits.values[static_cast<std::size_t>(i)]));
    const double t = target[static_cast<std::size_t>(i)];
    terms.push_back(scale * (options.fp * right * (1 - t) + (options.fn * right + E) * t) * p * (1 - p));
  }
  return terms;
}

std::vector<double> tversky_targets(Index count) {
  Random random(3);
  std::vector<double> target;
  for (Index i = 0; i < count; ++i) target.push_back(i % 7 == 3 ? random.uniform() : random.below(2));
  return target;
}

// p and 1 - p have three roundings each, relative to themselves; the sums and what follows are in double. So I, FN, FP
// and their quotient keep a few roundings of themselves, and each gradient a few of its terms.
constexpr double tversky_roundings = 8;

template <class B>
class TverskyFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(TverskyFloat, FloatBackends);

TYPED_TEST(TverskyFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  const std::vector<double> target = rounded_to_float({"", tversky_targets(3003)}).values;
  for (const TverskyOptions& options : tversky_options) {
    auto low = gradcheck::tversky_case<TypeParam>(this->device, 3, 1001, target, options, 9);
    auto exact = gradcheck::tversky_case<Cpu<double>>(exact_device, 3, 1001, target, options, 9);
    low.inputs[0] = rounded_to_float(low.inputs[0]);
    const auto loss = exact.forward(low.inputs).outputs[0];
    const auto actual_loss = low.forward(low.inputs).outputs[0];
    EXPECT_TRUE(
        close(actual_loss, loss, everywhere(loss, float_bound(options.gamma * loss.values[0], tversky_roundings))));
    const auto gradient = exact.backward(low.inputs, {{"", {1}}})[0];
    std::vector<double> bounds = terms_of_gradient<Cpu<double>>(exact_device, low.inputs[0], target, 3, options);
    for (double& bound : bounds) bound = float_bound(bound, tversky_roundings);
    const auto actual = low.backward(low.inputs, {{"", {1}}})[0];
    EXPECT_TRUE(close(actual, gradient, bounds));
    this->RecordProperty("tightness", std::to_string(tightness(actual, gradient, bounds)));
  }
}

template <class B>
class TverskyAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(TverskyAgainstCpu, CudaBackends);

// exp and pow may differ in their last bits, and the sums in their order: in double that is a rounding per pixel. Else
// bounds as against double. The images are shorter and longer than a block of threads.
TYPED_TEST(TverskyAgainstCpu, Close) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  TestDevice<Cpu<double>> exact_device;
  const TverskyOptions options;
  for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {2, 9001}}) {
    const std::vector<double> target = rounded_to_float({"", tversky_targets(N * P)}).values;
    const auto actual = both_passes(gradcheck::tversky_case<TypeParam>(this->device, N, P, target, options, 2));
    const auto expected = both_passes(gradcheck::tversky_case<CpuLike<TypeParam>>(cpu, N, P, target, options, 2));
    const double length = tversky_roundings + (std::is_same_v<T, double> ? static_cast<double>(P) : 0);
    const auto& loss = expected.forward.outputs[0];
    EXPECT_TRUE(close(actual.forward.outputs[0], loss, everywhere(loss, bound_between<T>(loss.values[0], length))));
    std::vector<double> bounds = terms_of_gradient<Cpu<double>>(exact_device, expected.inputs[0], target, N, options);
    for (double& bound : bounds) bound = bound_between<T>(bound * std::abs(expected.upstream.values[0]), length);
    EXPECT_TRUE(close(actual.gradients[0], expected.gradients[0], bounds));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
