#include "cpu/clip_norm.h"

#include <cmath>
#include <limits>

#include "common/gradcheck/layer_case.h"
#include "cuda/clip_norm.h"
#include "support/against_cpu.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
std::vector<double> clipped(typename B::Device& device, const std::vector<double>& gradients, double limit) {
  auto g = gradcheck::upload<B>(device, {"g", gradients});
  const auto n = static_cast<Index>(gradients.size());
  typename B::template Buffer<double> scratch(device, clip_norm_scratch(n));
  clip_norm(device, g.data(), scratch.data(), n, limit);
  return gradcheck::download<B>(device, "g", g).values;
}

template <class B>
class ClipNorm : public BackendTest<B> {
 protected:
  std::vector<double> clip(const std::vector<double>& gradients, double limit) {
    return clipped<B>(this->device, gradients, limit);
  }
  /// Relative: the factor and the product are each rounded once.
  const double bound = 2 * static_cast<double>(std::numeric_limits<typename B::Scalar>::epsilon());
};
TYPED_TEST_SUITE(ClipNorm, AllBackends);

// 3, -4, 12 have the norm 13. A tenth of it as the limit: the factor is 1.3 / (13 + 1e-6) = 0.0999999923076929...
TYPED_TEST(ClipNorm, ByHand) {
  const std::vector<double> actual = this->clip({3, -4, 12}, 1.3);
  const double factor = 0.09999999230769290;
  EXPECT_NEAR(actual[0], 3 * factor, 3 * factor * this->bound);
  EXPECT_NEAR(actual[1], -4 * factor, 4 * factor * this->bound);
  EXPECT_NEAR(actual[2], 12 * factor, 12 * factor * this->bound);
}

TYPED_TEST(ClipNorm, WithinTheLimitNothingChanges) {
  const std::vector<double> gradients{3, -4, 12};
  EXPECT_EQ(this->clip(gradients, 13.1), gradients);
  EXPECT_EQ(this->clip({0, 0}, 1e-9), (std::vector<double>{0, 0}));
}

// One chunk, several, and a last one that is not full; float32 squares would overflow.
TYPED_TEST(ClipNorm, ManyGradients) {
  for (const Index n : {1, 8191, 8192, 8193, 30000})
    for (const double scale : {1.0, 1e30}) {
      Random random(5);
      auto gradients = rounded_to_float(gradcheck::random_array("g", n, random)).values;
      double squares = 0;
      for (double& g : gradients) {
        g = static_cast<float>(g * scale);
        squares += g * g;
      }
      const double limit = 0.25 * std::sqrt(squares), factor = limit / (std::sqrt(squares) + 1e-6);
      const std::vector<double> actual = this->clip(gradients, limit);
      double worst = 0;
      for (std::size_t i = 0; i < gradients.size(); ++i)
        worst = std::max(worst, std::abs(actual[i] - factor * gradients[i]) / std::abs(factor * gradients[i]));
      EXPECT_LE(worst, this->bound + static_cast<double>(n) * 0x1p-52) << n;
    }
}

// As PyTorch: the watch over the loss must see it.
TYPED_TEST(ClipNorm, WhatIsNotFinitePassesThrough) {
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const double g : this->clip({1, nan, 2}, 1)) EXPECT_TRUE(std::isnan(g));
  for (const double bad : {infinity, -infinity}) {
    const std::vector<double> actual = this->clip({1, bad}, 1);
    EXPECT_EQ(actual[0], 0);
    EXPECT_TRUE(std::isnan(actual[1]));
  }
}

template <class B>
class ClipNormThreads : public ::testing::Test {};
TYPED_TEST_SUITE(ClipNormThreads, CpuBackends);

TYPED_TEST(ClipNormThreads, SameBits) {
  Random random(6);
  const auto gradients = gradcheck::random_array("g", 50000, random).values;
  cpu::Device one(1);
  const std::vector<double> expected = clipped<TypeParam>(one, gradients, 0.5);
  for (int threads = 2; threads <= most_test_threads + 1; ++threads) {
    cpu::Device device(threads);
    EXPECT_EQ(clipped<TypeParam>(device, gradients, 0.5), expected) << threads;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
