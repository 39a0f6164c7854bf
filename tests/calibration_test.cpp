#include "common/scores/calibration.h"

#include <gtest/gtest.h>

#include "common/core/random.h"

namespace attnunet {
namespace TEST_FILE {

TEST(Calibration, ByHand) {
  Calibration pixels;
  // Bin 0: 0.02 and 0.04, none lesion: |0.06 - 0|. Bin 13 (from 13/15 = 0.8667): 0.9 twice, one lesion: |1.8 - 1|.
  // Bin 14: 1, lesion: 0.
  pixels.add(0.02, false);
  pixels.add(0.04, false);
  pixels.add(0.9, true);
  pixels.add(0.9, false);
  pixels.add(1.0, true);
  EXPECT_NEAR(pixels.expected_error(), (0.06 + 0.8) / 5, 1e-15);
  EXPECT_EQ(pixels.bins()[0].pixels, 2);
  EXPECT_EQ(pixels.bins()[13].pixels, 2);
  EXPECT_EQ(pixels.bins()[13].lesion, 1);
  EXPECT_EQ(pixels.bins()[14].pixels, 1);
}

TEST(Calibration, AddingSetsIsAddingTheirPixels) {
  Random random(1);
  Calibration all, first, second;
  for (int i = 0; i < 1000; ++i) {
    const double probability = random.uniform();
    const bool lesion = random.uniform() < 0.3;
    all.add(probability, lesion);
    (i % 3 == 0 ? first : second).add(probability, lesion);
  }
  first.add(second);
  EXPECT_NEAR(first.expected_error(), all.expected_error(), 1e-12);
}

// Lesions as frequent as their probability says: only chance is left. Twice as sure as right: half is off.
TEST(Calibration, HonestAndOverconfidentProbabilities) {
  Random random(2);
  Calibration honest, overconfident;
  for (int i = 0; i < 200000; ++i) {
    const double probability = random.uniform();
    honest.add(probability, random.uniform() < probability);
    overconfident.add(probability, random.uniform() < probability / 2);
  }
  EXPECT_LT(honest.expected_error(), 0.01);
  EXPECT_NEAR(overconfident.expected_error(), 0.25, 0.01);
}

}  // namespace TEST_FILE
}  // namespace attnunet
