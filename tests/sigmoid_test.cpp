#include "cpu/sigmoid.h"

#include "common/gradcheck/cases/sigmoid.h"
#include "cuda/sigmoid.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class SigmoidGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(SigmoidGradient, DoubleBackends);

TYPED_TEST(SigmoidGradient, MatchesNumeric) {
  for (const Index n : {1, 7, 64, 1001}) expect_gradients(gradcheck::sigmoid_case<TypeParam>(this->device, n, 7));
}

template <class B>
class Sigmoid : public BackendTest<B> {};
TYPED_TEST_SUITE(Sigmoid, AllBackends);

TYPED_TEST(Sigmoid, ExtremesAndMiddle) {
  const auto layer = gradcheck::sigmoid_case<TypeParam>(this->device, 5, 7);
  EXPECT_EQ(layer.forward({{"x", {-1e4, 1e4, 0, -0.0, -1e30}}}).outputs[0].values,
            (std::vector<double>{0, 1, 0.5, 0.5, 0}));
}

template <class B>
class SigmoidFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(SigmoidFloat, FloatBackends);

// Forward: exp (below 2 ulp), a sum and a quotient, all relative to y. Backward: 1 - y has y's absolute error.
TYPED_TEST(SigmoidFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  auto low = gradcheck::sigmoid_case<TypeParam>(this->device, 1001, 9);
  const auto exact = gradcheck::sigmoid_case<Cpu<double>>(exact_device, 1001, 9);
  low.inputs[0] = rounded_to_float(low.inputs[0]);
  const auto y = exact.forward(low.inputs).outputs[0];
  std::vector<double> bounds, gradient_bounds;
  for (const double value : y.values) {
    bounds.push_back(float_bound(value, 4));
    gradient_bounds.push_back(float_bound(value, 6));
  }
  const auto actual = low.forward(low.inputs).outputs[0];
  EXPECT_TRUE(close(actual, y, bounds));
  const gradcheck::Array dy{"dy", std::vector<double>(1001, 1)};
  const auto dx = exact.backward(low.inputs, {dy})[0];
  EXPECT_TRUE(close(low.backward(low.inputs, {dy})[0], dx, gradient_bounds));
  this->RecordProperty("tightness", std::to_string(tightness(actual, y, bounds)));
}

template <class B>
class SigmoidAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(SigmoidAgainstCpu, CudaBackends);

// exp may differ in its last bits; bounds as against double.
TYPED_TEST(SigmoidAgainstCpu, Close) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const Index n : {1, 7, 64, 1001}) {
    const auto actual = both_passes(gradcheck::sigmoid_case<TypeParam>(this->device, n, 2));
    const auto expected = both_passes(gradcheck::sigmoid_case<CpuLike<TypeParam>>(cpu, n, 2));
    const auto& y = expected.forward.outputs[0];
    std::vector<double> bounds, gradient_bounds;
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      bounds.push_back(bound_between<T>(y.values[i], 4));
      gradient_bounds.push_back(bound_between<T>(std::abs(expected.upstream.values[i]) * y.values[i], 6));
    }
    EXPECT_TRUE(close(actual.forward.outputs[0], y, bounds));
    EXPECT_TRUE(close(actual.gradients[0], expected.gradients[0], gradient_bounds));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
