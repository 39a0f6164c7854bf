#include "cpu/max_pool.h"

#include <cmath>
#include <numeric>

#include "common/gradcheck/cases/max_pool.h"
#include "cuda/max_pool.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/linear.h"

namespace attnunet {
namespace TEST_FILE {

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
  max_pool_backward(this->device, gradients(dx.data(), in), gradients(dy.data(), 2), argmax.data(), in, Write::add);
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

template <class B>
class MaxPoolAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(MaxPoolAgainstCpu, CudaBackends);

// Nothing is rounded: equal to the bit, values, argmax and gradients, however many channels are taken at once.
TYPED_TEST(MaxPoolAgainstCpu, EqualToTheBit) {
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const Shape& in : {Shape{2, 6, 8, 3}, Shape{1, 2, 2, 1}, Shape{3, 5, 7, 2}, Shape{2, 4, 6, 4}, Shape{1, 5, 7, 8},
                          Shape{2, 2, 30, 36}, Shape{1, 6, 3, 12}})
    expect_equals_cpu(gradcheck::max_pool_case<TypeParam>(this->device, in, 2),
                      gradcheck::max_pool_case<CpuLike<TypeParam>>(cpu, in, 2));
}

// Ties and NaN, in each of four channels: the same winner.
TYPED_TEST(MaxPoolAgainstCpu, SameWinners) {
  TestDevice<CpuLike<TypeParam>> cpu;
  const double nan = std::nan("");
  const Shape in{1, 2, 12, 4};
  Random random(6);
  gradcheck::Array x{"x", {}};
  for (Index i = 0; i < in.size(); ++i)
    x.values.push_back(random.below(4) == 0 ? nan : static_cast<double>(random.below(3)));
  const auto forward = gradcheck::max_pool_case<TypeParam>(this->device, in, 2).forward({x});
  const auto expected = gradcheck::max_pool_case<CpuLike<TypeParam>>(cpu, in, 2).forward({x});
  EXPECT_EQ(forward.active_set, expected.active_set);
  const auto &y = forward.outputs[0].values, &expected_y = expected.outputs[0].values;
  ASSERT_EQ(y.size(), expected_y.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    EXPECT_TRUE(y[i] == expected_y[i] || (std::isnan(y[i]) && std::isnan(expected_y[i]))) << "output " << i;
}

// Backward where it adds: one sum each.
TYPED_TEST(MaxPoolAgainstCpu, AddsTheSame) {
  TestDevice<CpuLike<TypeParam>> cpu;
  for (const Shape& in : {Shape{2, 4, 6, 4}, Shape{1, 5, 7, 8}, Shape{2, 4, 2, 3}}) {
    const Index out_pixels = in.N * (in.H / 2) * (in.W / 2), out = out_pixels * in.C;
    Random random(8);
    const auto before = rounded_to_float(gradcheck::random_array("dx", in.size(), random));
    const auto upstream = rounded_to_float(gradcheck::random_array("dy", out, random));
    std::vector<std::uint8_t> chosen;
    for (Index i = 0; i < out; ++i) chosen.push_back(static_cast<std::uint8_t>(random.below(4)));
    const auto added = [&](auto backend, auto& device) {
      using B = decltype(backend);
      auto dx = gradcheck::upload<B>(device, before);
      const auto dy = gradcheck::upload<B>(device, upstream);
      typename B::template Buffer<std::uint8_t> argmax(device, out);
      copy_to_device(device, argmax.data(), chosen.data(), out);
      max_pool_backward(device, gradients(dx.data(), in), gradients(dy.data(), out_pixels, in.C), argmax.data(), in,
                        Write::add);
      return gradcheck::download<B>(device, "dx", dx).values;
    };
    EXPECT_EQ(added(TypeParam{}, this->device), added(CpuLike<TypeParam>{}, cpu));
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
