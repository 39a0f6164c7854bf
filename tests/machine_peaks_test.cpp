#include "cpu/machine_peaks.h"

#include <gtest/gtest.h>

namespace attnunet {
namespace {

// Numbers that no machine misses and none reaches: a loop that the compiler removed would show as a huge rate.
TEST(MachinePeaks, AreNumbersOfAMachine) {
  cpu::Device device(1);
  const MachinePeaks peaks = measure_machine_peaks(device);
  EXPECT_GT(peaks.gigaflops, 0.01);
  EXPECT_LT(peaks.gigaflops, 10000);
  EXPECT_GT(peaks.gigabytes_second, 0.01);
  EXPECT_LT(peaks.gigabytes_second, 10000);
}

}  // namespace
}  // namespace attnunet
