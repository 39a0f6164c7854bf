#include "cpu/concat.h"

#include "common/gradcheck/cases/concat.h"
#include "cuda/concat.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/linear.h"

namespace attnunet {
namespace {

template <class B>
class ConcatGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(ConcatGradient, DoubleBackends);

TYPED_TEST(ConcatGradient, MatchesNumericAndIsAdjoint) {
  struct {
    Index pixels, Ca, Cb;
  } const shapes[] = {{35, 3, 5}, {1, 1, 1}, {64, 1, 4}, {7, 16, 16}};
  for (const auto& s : shapes) {
    const auto layer = gradcheck::concat_case<TypeParam>(this->device, s.pixels, s.Ca, s.Cb, 7);
    expect_gradients(layer);
    expect_adjoint(layer);
  }
}

template <class B>
class Concat : public BackendTest<B> {};
TYPED_TEST_SUITE(Concat, AllBackends);

TYPED_TEST(Concat, FirstInputComesFirst) {
  const auto layer = gradcheck::concat_case<TypeParam>(this->device, 2, 1, 2, 7);
  EXPECT_EQ(layer.forward({{"a", {1, 2}}, {"b", {3, 4, 5, 6}}}).outputs[0].values,
            (std::vector<double>{1, 3, 4, 2, 5, 6}));
}

template <class B>
class ConcatFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(ConcatFloat, FloatBackends);

TYPED_TEST(ConcatFloat, EqualsDouble) {
  TestDevice<Cpu<double>> exact_device;
  expect_exact_in_float(gradcheck::concat_case<TypeParam>(this->device, 35, 3, 5, 9),
                        gradcheck::concat_case<Cpu<double>>(exact_device, 35, 3, 5, 9));
}

template <class B>
class ConcatAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(ConcatAgainstCpu, CudaBackends);

// Copies: equal to the bit.
TYPED_TEST(ConcatAgainstCpu, EqualToTheBit) {
  TestDevice<CpuLike<TypeParam>> cpu;
  struct {
    Index pixels, Ca, Cb;
  } const shapes[] = {{35, 3, 5}, {1, 1, 1}, {129, 1, 4}, {7, 16, 16}};
  for (const auto& s : shapes)
    expect_equals_cpu(gradcheck::concat_case<TypeParam>(this->device, s.pixels, s.Ca, s.Cb, 2),
                      gradcheck::concat_case<CpuLike<TypeParam>>(cpu, s.pixels, s.Ca, s.Cb, 2));
}

}  // namespace
}  // namespace attnunet
