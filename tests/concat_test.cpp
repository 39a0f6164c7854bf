#include "cpu/concat.h"

#include "common/gradcheck/cases/concat.h"
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

// Values are moved, never computed with: float32 equals double.
TYPED_TEST(ConcatFloat, EqualsDouble) {
  TestDevice<Cpu<double>> exact_device;
  auto low = gradcheck::concat_case<TypeParam>(this->device, 35, 3, 5, 9);
  const auto exact = gradcheck::concat_case<Cpu<double>>(exact_device, 35, 3, 5, 9);
  for (auto& input : low.inputs) input = rounded_to_float(input);
  const auto y = exact.forward(low.inputs).outputs[0];
  EXPECT_EQ(low.forward(low.inputs).outputs[0].values, y.values);
  const auto dx = exact.backward(low.inputs, {y}), actual = low.backward(low.inputs, {y});
  for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_EQ(actual[i].values, dx[i].values);
}

}  // namespace
}  // namespace attnunet
