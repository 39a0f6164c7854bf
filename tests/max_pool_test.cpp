#include "cpu/max_pool.h"

#include <cmath>
#include <numeric>

#include "common/gradcheck/cases/max_pool.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/linear.h"

namespace attnunet {
namespace {

const Shape shapes[] = {{2, 6, 8, 3}, {1, 2, 2, 1}, {3, 5, 7, 2}, {1, 4, 10, 17}, {2, 3, 2, 1}};

template <class B>
class MaxPoolGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(MaxPoolGradient, DoubleBackends);

TYPED_TEST(MaxPoolGradient, MatchesNumeric) {
  for (const Shape& in : shapes) expect_gradients(gradcheck::max_pool_case<TypeParam>(this->device, in, 7));
}

// With the argmax fixed pooling is linear.
TYPED_TEST(MaxPoolGradient, Adjoint) {
  for (const Shape& in : shapes) expect_adjoint(gradcheck::max_pool_case<TypeParam>(this->device, in, 7));
}

// Each dy lands exactly once: small integers add up exactly.
TYPED_TEST(MaxPoolGradient, KeepsTheSum) {
  const auto layer = gradcheck::max_pool_case<TypeParam>(this->device, {2, 6, 8, 3}, 7);
  gradcheck::Array dy{"dy", {}};
  for (int i = 0; i < 72; ++i) dy.values.push_back(i % 11 - 3);
  const auto dx = layer.backward(layer.inputs, {dy})[0];
  EXPECT_EQ(std::accumulate(dx.values.begin(), dx.values.end(), 0.0),
            std::accumulate(dy.values.begin(), dy.values.end(), 0.0));
}

template <class B>
class MaxPool : public BackendTest<B> {};
TYPED_TEST_SUITE(MaxPool, AllBackends);

TYPED_TEST(MaxPool, FirstOfEqualsWins) {
  const auto layer = gradcheck::max_pool_case<TypeParam>(this->device, {1, 2, 8, 1}, 7);
  const std::vector<gradcheck::Array> x{{"x", {5, 5, 1, 2, 1, 1, 3, 3, 5, 5, 2, 1, 2, 2, 3, 4}}};
  EXPECT_EQ(layer.forward(x).outputs[0].values, (std::vector<double>{5, 2, 2, 4}));
  EXPECT_EQ(layer.forward(x).active_set, (std::vector<std::uint8_t>{0, 1, 2, 3}));
  EXPECT_EQ(layer.backward(x, {{"dy", {1, 2, 3, 4}}})[0].values,
            (std::vector<double>{1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 4}));
}

TYPED_TEST(MaxPool, NaNWins) {
  const double nan = std::nan("");
  const auto layer = gradcheck::max_pool_case<TypeParam>(this->device, {1, 2, 4, 1}, 7);
  const auto y = layer.forward({{"x", {nan, 5, 1, nan, 9, 2, 3, 7}}}).outputs[0].values;
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_TRUE(std::isnan(y[1]));
}

TYPED_TEST(MaxPool, BackwardAddsWhereAsked) {
  const Shape in{1, 3, 5, 1};  // odd: the last row and column keep what they had
  const auto dy = gradcheck::upload<TypeParam>(this->device, {"", {10, 20}});
  typename TypeParam::template Buffer<std::uint8_t> argmax(this->device, 2);
  const std::uint8_t chosen[] = {3, 0};
  copy_to_device(this->device, argmax.data(), chosen, 2);
  auto dx = gradcheck::upload<TypeParam>(this->device, {"", std::vector<double>(15, 1)});
  max_pool_backward(this->device, dx.data(), dy.data(), argmax.data(), in, Write::add);
  EXPECT_EQ(gradcheck::download<TypeParam>(this->device, "", dx).values,
            (std::vector<double>{1, 1, 21, 1, 1, 1, 11, 1, 1, 1, 1, 1, 1, 1, 1}));
}

template <class B>
class MaxPoolFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(MaxPoolFloat, FloatBackends);

TYPED_TEST(MaxPoolFloat, EqualsDouble) {
  TestDevice<Cpu<double>> exact_device;
  expect_exact_in_float(gradcheck::max_pool_case<TypeParam>(this->device, {2, 6, 8, 3}, 9),
                        gradcheck::max_pool_case<Cpu<double>>(exact_device, {2, 6, 8, 3}, 9));
}

}  // namespace
}  // namespace attnunet
