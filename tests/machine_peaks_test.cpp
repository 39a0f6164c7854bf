#include "cpu/machine_peaks.h"

#include <type_traits>

#include "cuda/machine_peaks.h"
#include "support/backends.h"

namespace attnunet {
namespace TEST_FILE {

template <class B>
class MeasuredPeaks : public BackendTest<B> {};
TYPED_TEST_SUITE(MeasuredPeaks, FloatBackends);

// Numbers that no machine misses and none reaches: a loop that the compiler removed would show as a huge rate.
TYPED_TEST(MeasuredPeaks, AreNumbersOfAMachine) {
  const MachinePeaks peaks = measure_machine_peaks(this->device);
  const double most = std::is_same_v<TypeParam, Cpu<float>> ? 1e4 : 1e6;
  EXPECT_GT(peaks.gigaflops, 0.01);
  EXPECT_LT(peaks.gigaflops, most);
  EXPECT_GT(peaks.gigabytes_second, 0.01);
  EXPECT_LT(peaks.gigabytes_second, most);
}

}  // namespace TEST_FILE
}  // namespace attnunet
