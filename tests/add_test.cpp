#include "cpu/add.h"

#include "common/gradcheck/cases/add.h"
#include "cuda/add.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class AddGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(AddGradient, DoubleBackends);

TYPED_TEST(AddGradient, MatchesNumeric) {
  for (Index n : {1, 7, 1001}) expect_gradients(gradcheck::add_case<TypeParam>(this->device, n, 7));
}

template <class B>
class Add : public BackendTest<B> {};
TYPED_TEST_SUITE(Add, AllBackends);

// One rounding: the float sum is the rounded exact sum. In place gives the same.
TYPED_TEST(Add, IsExactlyRounded) {
  using T = typename TypeParam::Scalar;
  auto layer = gradcheck::add_case<TypeParam>(this->device, 1001, 3);
  for (auto& input : layer.inputs) input = rounded_to_float(input);
  const auto y = layer.forward(layer.inputs).outputs[0].values;
  auto a = gradcheck::upload<TypeParam>(this->device, layer.inputs[0]);
  const auto b = gradcheck::upload<TypeParam>(this->device, layer.inputs[1]);
  const Values<T> sum = values(a.data(), a.size());
  add_forward(this->device, sum, sum, values(b.data(), b.size()));
  EXPECT_EQ(gradcheck::download<TypeParam>(this->device, "a", a).values, y);
  for (std::size_t i = 0; i < y.size(); ++i)
    ASSERT_EQ(static_cast<T>(y[i]), static_cast<T>(layer.inputs[0].values[i] + layer.inputs[1].values[i]));
}

template <class B>
class AddAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(AddAgainstCpu, CudaBackends);

// One rounding each: equal to the bit, whatever width the accesses have.
TYPED_TEST(AddAgainstCpu, EqualToTheBit) {
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const Index n : {1, 7, 64, 1001, 1028})
    expect_equals_cpu(gradcheck::add_case<TypeParam>(this->device, n, 2),
                      gradcheck::add_case<CpuLike<TypeParam>>(cpu, n, 2));
}

}  // namespace TEST_FILE
}  // namespace attnunet
