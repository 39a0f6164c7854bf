#include "cpu/divergence.h"

#include <limits>

#include "cuda/divergence.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

template <class B>
class Divergence : public BackendTest<B> {
 protected:
  /// The first bad step after steps 1, 2, ... with these losses.
  Index first_of(const std::vector<std::vector<double>>& steps) {
    typename B::template Buffer<Index> first(this->device, 1);
    fill_zero(this->device, first.data(), 1);
    Index step = 0;
    for (const std::vector<double>& losses : steps) {
      const auto N = static_cast<Index>(losses.size());
      typename B::template Buffer<double> on_device(this->device, N);
      copy_to_device(this->device, on_device.data(), losses.data(), N);
      record_divergence(this->device, first.data(), on_device.data(), N, ++step);
    }
    Index found = -1;
    copy_to_host(this->device, &found, first.data(), 1);
    return found;
  }
};
TYPED_TEST_SUITE(Divergence, FloatBackends);

TYPED_TEST(Divergence, NoneWhereAllAreFinite) {
  EXPECT_EQ(this->first_of({{1, 2}, {-1e308, 1e308}, {0}, {}}), 0);
}

TYPED_TEST(Divergence, TheFirstStaysTheFirst) {
  for (const double bad : {nan, inf, -inf}) {
    EXPECT_EQ(this->first_of({{bad}}), 1);
    EXPECT_EQ(this->first_of({{1, 2}, {3, bad}, {bad, bad}, {5, 6}}), 2);
  }
}

// Whichever image it is of, in batches of fewer and of more than a warp.
TYPED_TEST(Divergence, EveryImageCounts) {
  for (const std::size_t N : {1, 31, 32, 33, 100})
    for (std::size_t i = 0; i < N; i += N / 7 + 1) {
      std::vector<double> losses(N, 0.5);
      losses[i] = nan;
      EXPECT_EQ(this->first_of({std::vector<double>(N, 0.5), losses}), 2) << i << " of " << N;
    }
}

template <class B>
class LateCopy : public BackendTest<B> {};
TYPED_TEST_SUITE(LateCopy, FloatBackends);

// The value is that of the moment when the copy took its place in the order of work.
TYPED_TEST(LateCopy, HasTheValueOfItsStart) {
  typename TypeParam::template Buffer<Index> number(this->device, 1);
  typename TypeParam::template LateCopy<Index> copy(this->device);
  for (const Index value : {3, 4, 5}) {
    copy_to_device(this->device, number.data(), &value, 1);
    copy.start(number.data());
    fill_zero(this->device, number.data(), 1);
    EXPECT_EQ(copy.value(), value);
    EXPECT_TRUE(copy.arrived());
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
