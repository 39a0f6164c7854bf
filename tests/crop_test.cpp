#include "cpu/crop.h"

#include "common/gradcheck/cases/crop.h"
#include "cuda/crop.h"
#include "support/against_cpu.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class CropGradient : public BackendTest<B> {};
TYPED_TEST_SUITE(CropGradient, DoubleBackends);

TYPED_TEST(CropGradient, MatchesNumeric) {
  const auto check = [&](Shape out, Index H, Index W) {
    expect_gradients(gradcheck::crop_case<TypeParam>(this->device, out, H, W, 7));
  };
  check({2, 5, 3, 2}, 8, 6);
  check({1, 1, 1, 1}, 4, 3);
  check({3, 4, 7, 1}, 4, 8);
  check({1, 6, 2, 3}, 7, 2);
}

template <class B>
class Crop : public BackendTest<B> {};
TYPED_TEST_SUITE(Crop, AllBackends);

TYPED_TEST(Crop, KeepsTheTopLeft) {
  const auto layer = gradcheck::crop_case<TypeParam>(this->device, {1, 2, 1, 1}, 3, 2, 7);
  EXPECT_EQ(layer.forward({{"x", {1, 2, 3, 4, 5, 6}}}).outputs[0].values, (std::vector<double>{1, 3}));
  EXPECT_EQ(layer.backward({}, {{"dy", {7, 8}}})[0].values, (std::vector<double>{7, 0, 8, 0, 0, 0}));
}

template <class B>
class CropFloat : public BackendTest<B> {};
TYPED_TEST_SUITE(CropFloat, FloatBackends);

TYPED_TEST(CropFloat, EqualsDouble) {
  TestDevice<Cpu<double>> exact_device;
  expect_exact_in_float(gradcheck::crop_case<TypeParam>(this->device, {2, 5, 3, 2}, 8, 6, 9),
                        gradcheck::crop_case<Cpu<double>>(exact_device, {2, 5, 3, 2}, 8, 6, 9));
}

template <class B>
class CropAgainstCpu : public BackendTest<B> {};
TYPED_TEST_SUITE(CropAgainstCpu, CudaBackends);

// Copies: equal to the bit. One case has rows longer than a block.
TYPED_TEST(CropAgainstCpu, EqualToTheBit) {
  TestDevice<CpuLike<TypeParam>> cpu;
  const auto check = [&](Shape out, Index H, Index W) {
    expect_equals_cpu(gradcheck::crop_case<TypeParam>(this->device, out, H, W, 2),
                      gradcheck::crop_case<CpuLike<TypeParam>>(cpu, out, H, W, 2));
  };
  check({2, 5, 3, 2}, 8, 6);
  check({1, 1, 1, 1}, 4, 3);
  check({1, 3, 131, 3}, 4, 140);
  check({2, 3, 5, 1}, 3, 5);
}

}  // namespace TEST_FILE
}  // namespace attnunet
