#include "cpu/relu.h"

#include "common/gradcheck/cases/relu.h"
#include "cuda/relu.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class ReluGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(ReluGradient, DoubleBackends);

TYPED_TEST(ReluGradient, MatchesNumeric) {
  for (Index n : {1, 7, 64, 1001}) expect_gradients(gradcheck::relu_case<TypeParam>(this->device, n, 7));
}

template <class B>
class Relu : public BackendTest<B> {};
TYPED_TEST_SUITE(Relu, AllBackends);

// At the kink itself the derivative is 0, on either zero.
TYPED_TEST(Relu, KinkHasZeroGradient) {
  auto layer = gradcheck::relu_case<TypeParam>(this->device, 4, 1);
  layer.inputs[0].values = {0.0, -0.0, 1e-30, -1e-30};
  EXPECT_EQ(layer.backward(layer.inputs, {{"dy", {1, 1, 1, 1}}})[0].values, (std::vector<double>{0, 0, 1, 0}));
}

template <class B>
class ReluThreads : public BackendTest<B> {};
TYPED_TEST_SUITE(ReluThreads, CpuBackends);

TYPED_TEST(ReluThreads, SameBitsForAnyNumberOfThreads) {
  Random random(3);
  const auto dy = gradcheck::random_array("dy", 1001, random);
  std::vector<std::vector<double>> first;
  for (int threads : {1, 2, 3}) {
    typename TypeParam::Device device(threads);
    const auto layer = gradcheck::relu_case<TypeParam>(device, 1001, 2);
    const std::vector<std::vector<double>> now = {layer.forward(layer.inputs).outputs[0].values,
                                                  layer.backward(layer.inputs, {dy})[0].values};
    if (first.empty()) first = now;
    EXPECT_TRUE(first == now) << threads << " threads";
  }
}

template <class B>
class ReluFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(ReluFloat, FloatBackends);

// Nothing is rounded: equal to the bit.
TYPED_TEST(ReluFloat, EqualsDouble) {
  using Double = typename Rebind<TypeParam, double>::type;
  TestDevice<Double> exact;
  for (Index n : {1, 7, 64, 1001}) {
    const auto in_float = gradcheck::relu_case<TypeParam>(this->device, n, 2);
    const auto in_double = gradcheck::relu_case<Double>(exact, n, 2);
    Random random(3);
    const std::vector<gradcheck::Array> inputs = {rounded_to_float(in_double.inputs[0])};
    const auto dy = rounded_to_float(gradcheck::random_array("dy", n, random));
    EXPECT_EQ(in_float.forward(inputs).outputs[0].values, in_double.forward(inputs).outputs[0].values);
    EXPECT_EQ(in_float.backward(inputs, {dy})[0].values, in_double.backward(inputs, {dy})[0].values);
  }
}

template <class B>
class ReluAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(ReluAgainstCpu, CudaBackends);

// Nothing is rounded: equal to the bit.
TYPED_TEST(ReluAgainstCpu, EqualToTheBit) {
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const Index n : {1, 7, 64, 1001})
    expect_equals_cpu(gradcheck::relu_case<TypeParam>(this->device, n, 2),
                      gradcheck::relu_case<CpuLike<TypeParam>>(cpu, n, 2));
}

}  // namespace TEST_FILE
}  // namespace attnunet
