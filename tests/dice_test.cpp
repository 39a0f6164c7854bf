#include "cpu/dice.h"

#include "common/gradcheck/cases/dice.h"
#include "cuda/dice.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class DiceGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(DiceGradient, DoubleBackends);

TYPED_TEST(DiceGradient, MatchesNumeric) {
  for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {1, 1}, {3, 64}, {1, 1001}})
    expect_gradients(gradcheck::dice_case<TypeParam>(this->device, N, P, {}, 7));
}

// Without a lesion in truth only the smoothing is left, s / (U + s)^2 p (1 - p): too small for a difference quotient.
TYPED_TEST(DiceGradient, EmptyTruth) {
  auto layer = gradcheck::dice_case<TypeParam>(this->device, 1, 2, {0, 0}, 7);
  const auto gradient = layer.backward({{"", {0, 0}}}, {{"", {1}}})[0].values;
  const double expected = 1e-5 / (1.00001 * 1.00001) / 4;
  EXPECT_NEAR(gradient[0], expected, 1e-20);
  EXPECT_NEAR(gradient[1], expected, 1e-20);
}

template <class B>
class Dice : public BackendTest<B> {};
TYPED_TEST_SUITE(Dice, AllBackends);

TYPED_TEST(Dice, KnownValues) {
  auto layer = gradcheck::dice_case<TypeParam>(this->device, 1, 2, {1, 0}, 7);
  EXPECT_NEAR(layer.forward({{"", {100, -100}}}).outputs[0].values[0], 0, 1e-6);  // perfect
  EXPECT_NEAR(layer.forward({{"", {-100, 100}}}).outputs[0].values[0], 1, 1e-5);  // no overlap
  EXPECT_NEAR(layer.forward({{"", {0, 0}}}).outputs[0].values[0], 1 - 1.00001 / 2.00001, 1e-6);
  auto empty = gradcheck::dice_case<TypeParam>(this->device, 1, 2, {0, 0}, 7);
  EXPECT_NEAR(empty.forward({{"", {-1000, -1000}}}).outputs[0].values[0], 0, 1e-6);  // both empty
}

TYPED_TEST(Dice, BackwardAddsWhereAsked) {
  using T = typename TypeParam::Scalar;
  const auto z = gradcheck::upload<TypeParam>(this->device, {"", {1, -2, 3, 0}});
  const auto t = gradcheck::upload<TypeParam>(this->device, {"", {0, 0, 1, 1}});
  typename TypeParam::template Buffer<double> loss(this->device, 2), sums(this->device, 6);
  dice_forward(this->device, loss.data(), sums.data(), values(z.data(), 4), t.data(), Index{2});
  auto set = gradcheck::poisoned<TypeParam>(this->device, 4);
  auto added = gradcheck::upload<TypeParam>(this->device, {"", {5, 6, 7, 8}});
  dice_backward(this->device, gradients(set.data(), 4), sums.data(), values(z.data(), 4), t.data(), Index{2},
                Write::set);
  dice_backward(this->device, gradients(added.data(), 4), sums.data(), values(z.data(), 4), t.data(), Index{2},
                Write::add);
  const auto share = gradcheck::download<TypeParam>(this->device, "", set).values;
  const auto sum = gradcheck::download<TypeParam>(this->device, "", added).values;
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(sum[i], static_cast<double>(5 + i) + share[i],
                8 * static_cast<double>(std::numeric_limits<T>::epsilon()));
}

template <class B>
class DiceFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(DiceFloat, FloatBackends);

// The sums are in double; each p has a few roundings relative to itself, and so has their quotient.
TYPED_TEST(DiceFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  auto low = gradcheck::dice_case<TypeParam>(this->device, 3, 1001, {}, 9);
  auto exact = gradcheck::dice_case<Cpu<double>>(exact_device, 3, 1001, {}, 9);
  low.inputs[0] = rounded_to_float(low.inputs[0]);
  const auto loss = exact.forward(low.inputs).outputs[0];
  EXPECT_TRUE(close(low.forward(low.inputs).outputs[0], loss, everywhere(loss, float_bound(1, 4))));
  const auto gradient = exact.backward(low.inputs, {{"", {1}}})[0];
  // |through_union| + |through_overlap| is below 4 / (3 U), U about P / 2 + sum of targets; p (1 - p) below 1/4.
  const auto bounds = everywhere(gradient, float_bound(4.0 / 3 / 500 / 4, 6));
  const auto actual = low.backward(low.inputs, {{"", {1}}})[0];
  EXPECT_TRUE(close(actual, gradient, bounds));
  this->RecordProperty("tightness", std::to_string(tightness(actual, gradient, bounds)));
}

template <class B>
class DiceAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(DiceAgainstCpu, CudaBackends);

// exp may differ in its last bits, and the sums in their order; bounds as against double. The images are shorter and
// longer than a block of threads.
TYPED_TEST(DiceAgainstCpu, Close) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {2, 9001}}) {
    const auto actual = both_passes(gradcheck::dice_case<TypeParam>(this->device, N, P, {}, 2));
    const auto expected = both_passes(gradcheck::dice_case<CpuLike<TypeParam>>(cpu, N, P, {}, 2));
    const auto& loss = expected.forward.outputs[0];
    EXPECT_TRUE(close(actual.forward.outputs[0], loss, everywhere(loss, bound_between<T>(1, 4))));
    // As in MatchesDouble, with U above P / 4: the targets alone come to about half of the pixels.
    const double largest = std::abs(expected.upstream.values[0]) * 4 / (static_cast<double>(P) / 4) / 4;
    const auto& gradient = expected.gradients[0];
    const double images = static_cast<double>(N);
    EXPECT_TRUE(close(actual.gradients[0], gradient, everywhere(gradient, bound_between<T>(largest / images, 6))));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
