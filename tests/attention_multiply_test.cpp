#include "cpu/attention_multiply.h"

#include "common/gradcheck/cases/attention_multiply.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace {

struct {
  Index pixels, C;
} const shapes[] = {{35, 6}, {1, 1}, {64, 1}, {9, 33}, {130, 16}};

template <class B>
class AttentionMultiplyGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(AttentionMultiplyGradient, DoubleBackends);

TYPED_TEST(AttentionMultiplyGradient, MatchesNumeric) {
  for (const auto& s : shapes)
    expect_gradients(gradcheck::attention_multiply_case<TypeParam>(this->device, s.pixels, s.C, 7));
}

template <class B>
class AttentionMultiply : public BackendTest<B> {};
TYPED_TEST_SUITE(AttentionMultiply, AllBackends);

TYPED_TEST(AttentionMultiply, AlphaOnePassesTheSkip) {
  const auto layer = gradcheck::attention_multiply_case<TypeParam>(this->device, 35, 6, 7);
  const auto x = rounded_to_float(layer.inputs[0]);
  EXPECT_EQ(layer.forward({x, {"alpha", std::vector<double>(35, 1)}}).outputs[0].values, x.values);
}

template <class B>
class AttentionMultiplyFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(AttentionMultiplyFloat, FloatBackends);

TYPED_TEST(AttentionMultiplyFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  for (const auto& s : shapes) {
    auto low = gradcheck::attention_multiply_case<TypeParam>(this->device, s.pixels, s.C, 9);
    const auto exact = gradcheck::attention_multiply_case<Cpu<double>>(exact_device, s.pixels, s.C, 9);
    for (auto& input : low.inputs) input = rounded_to_float(input);
    const auto y = exact.forward(low.inputs).outputs[0];
    std::vector<double> bounds;
    for (const double value : y.values) bounds.push_back(float_bound(std::abs(value), 0));
    EXPECT_TRUE(close(low.forward(low.inputs).outputs[0], y, bounds));

    Random random(4);
    const auto dy = rounded_to_float(gradcheck::random_array("dy", s.pixels * s.C, random));
    const auto expected = exact.backward(low.inputs, {dy}), actual = low.backward(low.inputs, {dy});
    const auto terms = exact.backward({magnitudes(low.inputs[0]), magnitudes(low.inputs[1])}, {magnitudes(dy)});
    for (std::size_t i = 0; i < 2; ++i) {
      bounds.clear();
      for (const double sum : terms[i].values)
        bounds.push_back(float_bound(sum, i == 0 ? 0 : static_cast<double>(s.C)));
      EXPECT_TRUE(close(actual[i], expected[i], bounds));
    }
  }
}

}  // namespace
}  // namespace attnunet
