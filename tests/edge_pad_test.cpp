#include "cpu/edge_pad.h"

#include "common/gradcheck/cases/edge_pad.h"
#include "cuda/edge_pad.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class EdgePadGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(EdgePadGradient, DoubleBackends);

TYPED_TEST(EdgePadGradient, MatchesNumeric) {
  const auto check = [&](Shape in, Index H, Index W) {
    expect_gradients(gradcheck::edge_pad_case<TypeParam>(this->device, in, H, W, 7));
  };
  check({2, 5, 3, 2}, 8, 6);
  check({1, 1, 1, 1}, 4, 3);
  check({3, 4, 7, 1}, 4, 8);
  check({1, 6, 2, 3}, 7, 2);
}

template <class B>
class EdgePad : public BackendTest<B> {};
TYPED_TEST_SUITE(EdgePad, AllBackends);

TYPED_TEST(EdgePad, RepeatsLastRowAndColumn) {
  const auto layer = gradcheck::edge_pad_case<TypeParam>(this->device, {1, 2, 2, 1}, 3, 4, 7);
  EXPECT_EQ(layer.forward({{"x", {1, 2, 3, 4}}}).outputs[0].values,
            (std::vector<double>{1, 2, 2, 2, 3, 4, 4, 4, 3, 4, 4, 4}));
  EXPECT_EQ(layer.backward({}, {{"dy", std::vector<double>(12, 1)}})[0].values, (std::vector<double>{1, 3, 2, 6}));
}

template <class B>
class EdgePadFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(EdgePadFloat, FloatBackends);

// Forward copies; backward adds up at most (8 - 5 + 1) (6 - 3 + 1) values.
TYPED_TEST(EdgePadFloat, MatchesDouble) {
  TestDevice<Cpu<double>> exact_device;
  const Shape in{2, 5, 3, 2};
  auto low = gradcheck::edge_pad_case<TypeParam>(this->device, in, 8, 6, 9);
  const auto exact = gradcheck::edge_pad_case<Cpu<double>>(exact_device, in, 8, 6, 9);
  low.inputs[0] = rounded_to_float(low.inputs[0]);
  const auto y = exact.forward(low.inputs).outputs[0];
  EXPECT_EQ(low.forward(low.inputs).outputs[0].values, y.values);
  const auto dx = exact.backward(low.inputs, {y})[0], terms = exact.backward(low.inputs, {magnitudes(y)})[0];
  std::vector<double> bounds;
  for (const double sum : terms.values) bounds.push_back(float_bound(sum, 16));
  EXPECT_TRUE(close(low.backward(low.inputs, {y})[0], dx, bounds));
}

template <class B>
class EdgePadAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(EdgePadAgainstCpu, CudaBackends);

// Copies, and sums in the same order: equal to the bit. One case has rows longer than a block.
TYPED_TEST(EdgePadAgainstCpu, EqualToTheBit) {
  TestDevice<CpuLike<TypeParam>> cpu;
  const auto check = [&](Shape in, Index H, Index W) {
    expect_equals_cpu(gradcheck::edge_pad_case<TypeParam>(this->device, in, H, W, 2),
                      gradcheck::edge_pad_case<CpuLike<TypeParam>>(cpu, in, H, W, 2));
  };
  check({2, 5, 3, 2}, 8, 6);
  check({1, 1, 1, 1}, 4, 3);
  check({1, 3, 131, 3}, 4, 140);
  check({2, 3, 5, 1}, 3, 5);
}

}  // namespace TEST_FILE
}  // namespace attnunet
