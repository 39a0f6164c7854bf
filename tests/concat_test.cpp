#include "cpu/concat.h"

#include <limits>

#include "common/gradcheck/cases/concat.h"
#include "cuda/concat.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"
#include "support/linear.h"

namespace attnunet {
namespace TEST_FILE {

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

// As in a plain U-Net: the second half is written in place, only the first is moved.
TYPED_TEST(Concat, AHalfInItsPlaceStays) {
  using T = typename TypeParam::Scalar;
  const Index pixels = 35, Ca = 3, Cb = 5, C = Ca + Cb;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  Random random(3);
  const auto numbers = gradcheck::random_array("", pixels * C, random).values;
  std::vector<T> whole(numbers.begin(), numbers.end()), first, without_first = whole;
  for (std::size_t i = 0; i < whole.size(); ++i)
    if (static_cast<Index>(i) % C < Ca) {
      first.push_back(whole[i]);
      without_first[i] = nan;
    }
  typename TypeParam::template Buffer<T> y(this->device, pixels * C), a(this->device, pixels * Ca);
  const auto host = [&](auto& buffer) {
    std::vector<T> result(static_cast<std::size_t>(buffer.size()));
    copy_to_host(this->device, result.data(), buffer.data(), buffer.size());
    return result;
  };
  copy_to_device(this->device, a.data(), first.data(), a.size());
  copy_to_device(this->device, y.data(), without_first.data(), y.size());
  const Values<T> in_y = values(y.data(), pixels, C);
  concat_forward(this->device, in_y, values(a.data(), pixels, Ca), in_y.slice(Ca, Cb));
  EXPECT_EQ(host(y), whole);

  copy_to_device(this->device, a.data(), std::vector<T>(first.size(), nan).data(), a.size());
  const Gradients<T> in_dy = gradients(y.data(), pixels, C);
  concat_backward(this->device, gradients(a.data(), pixels, Ca), in_dy.slice(Ca, Cb), in_dy);
  EXPECT_EQ(host(a), first);
  EXPECT_EQ(host(y), whole);
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

}  // namespace TEST_FILE
}  // namespace attnunet
