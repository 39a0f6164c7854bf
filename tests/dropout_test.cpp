#include "cpu/dropout.h"

#include <cmath>

#include "common/gradcheck/cases/dropout.h"
#include "cpu/dropout_reference.h"
#include "cuda/dropout.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/conv_methods.h"
#include "support/expect.h"
#include "support/linear.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class DropoutGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(DropoutGradient, DoubleBackendsAndReference);

TYPED_TEST(DropoutGradient, MatchesNumeric) {
  for (const Index n : {1, 7, 256, 1001}) {
    const auto layer = gradcheck::dropout_case<Code<TypeParam>>(this->device, n, {0.3, {5, 1, 3}}, 7);
    if (n > 1) expect_gradients(layer);
    expect_adjoint(layer);
  }
}

template <class B>
class Dropout : public BackendTest<B> {};
TYPED_TEST_SUITE(Dropout, AllBackendsAndReference);

template <class B>
class DropoutMask : public BackendTest<B> {};
TYPED_TEST_SUITE(DropoutMask, AllBackends);

// Kept or dropped as the plain loops say, and multiplied once: equal.
TYPED_TEST(DropoutMask, IsThePhiloxWord) {
  using T = typename TypeParam::Scalar;
  const DropoutKey key{0x123456789ABCDEFull, 7, 41};
  for (const double rate : {0.1, 0.2, 0.3, 0.999}) {
    const auto layer = gradcheck::dropout_case<Code<TypeParam>>(this->device, 1027, {rate, key}, 7);
    auto inputs = layer.inputs;
    inputs[0] = rounded_to_float(inputs[0]);
    const std::vector<T> x(inputs[0].values.begin(), inputs[0].values.end());
    std::vector<T> expected(x.size());
    const auto n = static_cast<Index>(x.size());
    cpu::dropout_reference_forward(values(expected.data(), n), values(x.data(), n), {rate, key});
    const auto y = layer.forward(inputs).outputs[0].values;
    EXPECT_EQ(y, std::vector<double>(expected.begin(), expected.end())) << "rate " << rate;
  }
}

TYPED_TEST(Dropout, RateZeroKeepsEverything) {
  const auto layer = gradcheck::dropout_case<Code<TypeParam>>(this->device, 333, {0, {1, 2, 3}}, 7);
  const std::vector<gradcheck::Array> inputs{rounded_to_float(layer.inputs[0])};
  EXPECT_EQ(layer.forward(inputs).outputs[0].values, inputs[0].values);
}

TYPED_TEST(Dropout, StepLayerAndSeedEachChangeTheMask) {
  const auto y = [&](const DropoutKey& key) {
    const auto layer = gradcheck::dropout_case<Code<TypeParam>>(this->device, 400, {0.3, key}, 7);
    return layer.forward(layer.inputs).outputs[0].values;
  };
  const auto reference = y({1, 2, 3});
  EXPECT_EQ(y({1, 2, 3}), reference);
  EXPECT_NE(y({2, 2, 3}), reference);
  EXPECT_NE(y({1ull << 32 | 1, 2, 3}), reference);
  EXPECT_NE(y({1, 3, 3}), reference);
  EXPECT_NE(y({1, 2, 4}), reference);
}

// Binomial: the share of dropped elements is within five standard deviations of the rate.
TYPED_TEST(Dropout, DropsTheRate) {
  const Index n = 100000;
  const auto layer = gradcheck::dropout_case<Code<TypeParam>>(this->device, n, {0.2, {1, 2, 3}}, 7);
  const auto y = layer.forward({{"x", std::vector<double>(n, 1)}}).outputs[0].values;
  double dropped = 0;
  for (const double value : y) dropped += value == 0;
  EXPECT_NEAR(dropped / n, 0.2, 5 * std::sqrt(0.2 * 0.8 / n));
}

template <class B>
class DropoutAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(DropoutAgainstCpu, CudaBackends);

// The same masks and one product each: equal to the bit.
TYPED_TEST(DropoutAgainstCpu, EqualToTheBit) {
  cpu::Device cpu(1, ConvMethod::reference);
  const DropoutKey key{0xFEDCBA9876543210ull, 3, 77};
  for (const Index n : {1, 3, 4, 256, 1028, 5003})
    for (const double rate : {0.0, 0.1, 0.3, 0.999})
      expect_equals_cpu(gradcheck::dropout_case<Code<TypeParam>>(this->device, n, {rate, key}, 2),
                        gradcheck::dropout_case<CpuLike<TypeParam>>(cpu, n, {rate, key}, 2));
}

}  // namespace TEST_FILE
}  // namespace attnunet
