#include "cpu/crop.h"

#include "common/gradcheck/cases/crop.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {
namespace {

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

}  // namespace
}  // namespace attnunet
