#include "cpu/bce.h"

#include "common/gradcheck/cases/bce.h"
#include "cuda/bce.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class BceGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(BceGradient, DoubleBackends);

TYPED_TEST(BceGradient, MatchesNumeric) {
  for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {1, 1}, {3, 64}, {1, 1001}})
    expect_gradients(gradcheck::bce_case<TypeParam>(this->device, N, P, {}, 7));
}

template <class B>
class Bce : public BackendTest<B> {};
TYPED_TEST_SUITE(Bce, AllBackends);

// Where the textbook formula overflows: a right answer costs nothing, a wrong one its logit; the gradient is 0 or +-1.
TYPED_TEST(Bce, HugeLogits) {
  auto layer = gradcheck::bce_case<TypeParam>(this->device, 1, 4, {1, 0, 1, 0}, 7);
  layer.inputs[0].values = {1e4, -1e4, -1e4, 1e4};
  EXPECT_EQ(layer.forward(layer.inputs).outputs[0].values, (std::vector<double>{5000}));
  EXPECT_EQ(layer.backward(layer.inputs, {{"", {4}}})[0].values, (std::vector<double>{0, 0, -1, 1}));
}

TYPED_TEST(Bce, NaNIsNotLost) {
  auto layer = gradcheck::bce_case<TypeParam>(this->device, 1, 3, {1, 0, 1}, 7);
  layer.inputs[0].values = {1, std::nan(""), 1};
  EXPECT_TRUE(std::isnan(layer.forward(layer.inputs).outputs[0].values[0]));
}

TYPED_TEST(Bce, BackwardAddsWhereAsked) {
  using T = typename TypeParam::Scalar;
  const gradcheck::Array logits{"", {1, -2, 3, 0}}, target{"", {0, 0, 1, 1}};
  const auto z = gradcheck::upload<TypeParam>(this->device, logits);
  const auto t = gradcheck::upload<TypeParam>(this->device, target);
  auto set = gradcheck::poisoned<TypeParam>(this->device, 4);
  auto added = gradcheck::upload<TypeParam>(this->device, {"", {5, 6, 7, 8}});
  bce_backward(this->device, gradients(set.data(), 4), values(z.data(), 4), t.data(), Write::set);
  bce_backward(this->device, gradients(added.data(), 4), values(z.data(), 4), t.data(), Write::add);
  const auto share = gradcheck::download<TypeParam>(this->device, "", set).values;
  const auto sum = gradcheck::download<TypeParam>(this->device, "", added).values;
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_EQ(static_cast<T>(sum[i]), static_cast<T>(static_cast<T>(5 + i) + static_cast<T>(share[i])));
}

template <class B>
class BceFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(BceFloat, FloatBackends);

// Each pixel's loss is three terms below |z| + log 2, rounded a few times; the sum is in double. The gradient is
// p - t with p from exp (error below 2 ulp) and a division.
TYPED_TEST(BceFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  auto low = gradcheck::bce_case<TypeParam>(this->device, 3, 1001, {}, 9);
  auto exact = gradcheck::bce_case<Cpu<double>>(exact_device, 3, 1001, {}, 9);
  low.inputs[0] = rounded_to_float(low.inputs[0]);
  const auto loss = exact.forward(low.inputs).outputs[0];
  double terms = 0;
  for (const double z : low.inputs[0].values) terms += 2 * std::abs(z) + 1;
  const auto bounds = everywhere(loss, float_bound(terms / 3003, 4));
  const auto actual = low.forward(low.inputs).outputs[0];
  EXPECT_TRUE(close(actual, loss, bounds));
  const gradcheck::Array upstream{"", {3003}};
  const auto gradient = exact.backward(low.inputs, {upstream})[0];
  const auto gradient_bounds = everywhere(gradient, float_bound(2, 4));
  const auto actual_gradient = low.backward(low.inputs, {upstream})[0];
  EXPECT_TRUE(close(actual_gradient, gradient, gradient_bounds));
  this->RecordProperty("tightness", std::to_string(tightness(actual_gradient, gradient, gradient_bounds)));
}

template <class B>
class BceAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(BceAgainstCpu, CudaBackends);

// exp and log1p may differ in their last bits, and the sums in their order; bounds as against double. The images are
// shorter and longer than a block of threads.
TYPED_TEST(BceAgainstCpu, Close) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const auto& [N, P] : {std::pair<Index, Index>{2, 35}, {1, 1}, {2, 9001}}) {
    const auto actual = both_passes(gradcheck::bce_case<TypeParam>(this->device, N, P, {}, 2));
    const auto expected = both_passes(gradcheck::bce_case<CpuLike<TypeParam>>(cpu, N, P, {}, 2));
    const double pixels = static_cast<double>(N * P);
    double terms = 0;
    for (const double z : expected.inputs[0].values) terms += 2 * std::abs(z) + 1;
    const auto& loss = expected.forward.outputs[0];
    EXPECT_TRUE(close(actual.forward.outputs[0], loss, everywhere(loss, bound_between<T>(terms / pixels, 4))));
    const auto& gradient = expected.gradients[0];
    const double largest = 2 * std::abs(expected.upstream.values[0]) / pixels;
    EXPECT_TRUE(close(actual.gradients[0], gradient, everywhere(gradient, bound_between<T>(largest, 4))));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
