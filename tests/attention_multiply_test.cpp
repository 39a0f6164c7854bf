#include "cpu/attention_multiply.h"

#include "common/gradcheck/cases/attention_multiply.h"
#include "cuda/attention_multiply.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/columns.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

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

// y and dy as columns of a wider tensor give what they give alone, and leave the other columns alone.
TYPED_TEST(AttentionMultiply, WorksOnColumnsOfAWiderTensor) {
  for (const auto& s : shapes)
    for (const Columns& columns : {Columns{0, s.C, 2 * s.C}, Columns{2, s.C, s.C + 5}}) {
      const auto layer = gradcheck::attention_multiply_case<TypeParam>(this->device, s.pixels, s.C, 9);
      Random random(4);
      const auto dy_alone = gradcheck::random_array("dy", s.pixels * s.C, random);
      auto& device = this->device;
      const auto x = gradcheck::upload<TypeParam>(device, layer.inputs[0]);
      const auto alpha = gradcheck::upload<TypeParam>(device, layer.inputs[1]);
      auto y = gradcheck::upload<TypeParam>(device, widened_nan(s.pixels, columns));
      const auto x_values = values(x.data(), s.pixels, s.C), alpha_values = values(alpha.data(), s.pixels);
      attention_multiply_forward(device, values(y.data(), s.pixels, columns), x_values, alpha_values);
      EXPECT_EQ(narrowed(gradcheck::download<TypeParam>(device, "y", y), columns).values,
                layer.forward(layer.inputs).outputs[0].values);

      const auto dy = gradcheck::upload<TypeParam>(device, widened(dy_alone, columns));
      auto dx = gradcheck::poisoned<TypeParam>(device, s.pixels * s.C);
      auto dalpha = gradcheck::poisoned<TypeParam>(device, s.pixels);
      attention_multiply_backward(device, gradients(dx.data(), s.pixels, s.C), gradients(dalpha.data(), s.pixels),
                                  gradients(dy.data(), s.pixels, columns), x_values, alpha_values);
      const auto expected = layer.backward(layer.inputs, {dy_alone});
      EXPECT_EQ(gradcheck::download<TypeParam>(device, "dx", dx).values, expected[0].values);
      EXPECT_EQ(gradcheck::download<TypeParam>(device, "dalpha", dalpha).values, expected[1].values);
    }
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

template <class B>
class AttentionMultiplyAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(AttentionMultiplyAgainstCpu, CudaBackends);

// One product each in y and dx: equal to the bit. dalpha is a sum in another order.
TYPED_TEST(AttentionMultiplyAgainstCpu, ProductsEqualSumsClose) {
  using T = typename TypeParam::Scalar;
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const auto& s : shapes) {
    const auto cpu_case = gradcheck::attention_multiply_case<CpuLike<TypeParam>>(cpu, s.pixels, s.C, 2);
    const auto expected = both_passes(cpu_case);
    const auto actual = both_passes(gradcheck::attention_multiply_case<TypeParam>(this->device, s.pixels, s.C, 2));
    EXPECT_EQ(actual.forward.outputs[0].values, expected.forward.outputs[0].values);
    EXPECT_EQ(actual.gradients[0].values, expected.gradients[0].values);
    const auto terms = cpu_case.backward({magnitudes(expected.inputs[0]), magnitudes(expected.inputs[1])},
                                         {magnitudes(expected.upstream)})[1];
    std::vector<double> bounds;
    for (const double sum : terms.values) bounds.push_back(bound_between<T>(sum, static_cast<double>(s.C)));
    EXPECT_TRUE(close(actual.gradients[1], expected.gradients[1], bounds));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
