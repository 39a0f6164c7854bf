#include "cpu/ema.h"

#include <cmath>

#include "common/gradcheck/layer_case.h"
#include "cuda/ema.h"
#include "support/against_cpu.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

TEST(EmaDecay, RisesToItsLimit) {
  EXPECT_EQ(ema_decay(0.999, 1), 2.0 / 11);
  EXPECT_EQ(ema_decay(0.999, 8), 0.5);
  EXPECT_EQ(ema_decay(0.999, 1000000), 0.999);
  EXPECT_EQ(ema_decay(0.1, 1), 0.1);
}

template <class B>
class Ema : public BackendTest<B> {};
TYPED_TEST_SUITE(Ema, AllBackends);

// Ten steps; each rounds a few times, numbers of up to 4.
TYPED_TEST(Ema, MatchesTheTextbook) {
  const double bound = std::is_same<typename TypeParam::Scalar, float>::value ? 30 * 0x1p-22 : 30 * 0x1p-51;
  for (const Index n : {1, 3, 67, 1000}) {
    Random random(5);
    const auto start = rounded_to_float(gradcheck::random_array("e", n, random));
    std::vector<double> expected = start.values;
    auto e = gradcheck::upload<TypeParam>(this->device, start);
    for (Index step = 1; step <= 10; ++step) {
      const auto w = rounded_to_float(gradcheck::random_array("w", n, random));
      const auto device_w = gradcheck::upload<TypeParam>(this->device, w);
      const double d = ema_decay(0.5, step);
      ema_step(this->device, e.data(), device_w.data(), n, d);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = d * expected[i] + (1 - d) * w.values[i];
    }
    const auto actual = gradcheck::download<TypeParam>(this->device, "e", e).values;
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], bound) << i << " of " << n;
  }
}

// To the bit: weights that stand still are their own average.
TYPED_TEST(Ema, WeightsThatStandStill) {
  Random random(6);
  const auto start = rounded_to_float(gradcheck::random_array("e", 50, random));
  auto e = gradcheck::upload<TypeParam>(this->device, start);
  const auto w = gradcheck::upload<TypeParam>(this->device, start);
  for (Index step = 1; step <= 5; ++step) ema_step(this->device, e.data(), w.data(), Index{50}, ema_decay(0.999, step));
  EXPECT_EQ(gradcheck::download<TypeParam>(this->device, "e", e).values, start.values);
}

TYPED_TEST(Ema, VariancesStayAtLeastZero) {
  auto e = gradcheck::upload<TypeParam>(this->device, {"e", {0x1p-149, 1, 3e38}});
  const auto w = gradcheck::upload<TypeParam>(this->device, {"w", {0, 0, 0}});
  for (Index step = 1; step <= 50; ++step) ema_step(this->device, e.data(), w.data(), Index{3}, ema_decay(0.999, step));
  for (const double value : gradcheck::download<TypeParam>(this->device, "e", e).values) EXPECT_GE(value, 0);
}

}  // namespace TEST_FILE
}  // namespace attnunet
