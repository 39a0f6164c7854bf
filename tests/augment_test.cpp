#include "common/data/augment.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "common/core/random.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Pixels = std::vector<std::uint8_t>;

Sample sample_of(int width, int height, std::uint64_t seed = 1) {
  Sample sample{{width, height, {}}, {width, height, {}}};
  Random random(seed);
  for (int i = 0; i < width * height; ++i) {
    sample.image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
    sample.mask.pixels.push_back(sample.image.pixels.back() > 127);
  }
  return sample;
}

TEST(Augment, NoneChangesNothing) {
  Sample sample = sample_of(6, 6);
  augment(sample, Augment::none, 1, 2, 3);
  EXPECT_EQ(sample.image.pixels, sample_of(6, 6).image.pixels);
}

// The mask is the image's own threshold, so moving together can be seen pixel by pixel.
TEST(Augment, LightGivesTheEightSymmetries) {
  std::set<Pixels> seen;
  const Pixels corners{0, 4, 20, 24};
  for (std::uint32_t epoch = 0; epoch < 100; ++epoch) {
    Sample sample = sample_of(5, 5);
    augment(sample, Augment::light, 7, epoch, 0);
    for (std::size_t i = 0; i < 25; ++i) EXPECT_EQ(sample.mask.pixels[i], sample.image.pixels[i] > 127);
    Pixels sorted = sample.image.pixels, expected = sample_of(5, 5).image.pixels;
    EXPECT_EQ(sample.image.pixels[12], expected[12]);
    std::sort(sorted.begin(), sorted.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(sorted, expected);
    seen.insert(sample.image.pixels);
  }
  EXPECT_EQ(seen.size(), 8u);

  seen.clear();
  for (std::uint32_t epoch = 0; epoch < 100; ++epoch) {
    Sample sample = sample_of(5, 3);
    augment(sample, Augment::light, 7, epoch, 0);
    seen.insert(sample.image.pixels);
  }
  EXPECT_EQ(seen.size(), 4u);
}

TEST(Augment, DependsOnSeedEpochAndCaseOnly) {
  const auto result = [](std::uint64_t seed, std::uint32_t epoch, std::uint32_t one) {
    Sample sample = sample_of(16, 16);
    augment(sample, Augment::strong, seed, epoch, one);
    return sample.image.pixels;
  };
  EXPECT_EQ(result(1, 2, 3), result(1, 2, 3));
  EXPECT_NE(result(1, 2, 3), result(4, 2, 3));
  EXPECT_NE(result(1, 2, 3), result(1, 4, 3));
  EXPECT_NE(result(1, 2, 3), result(1, 2, 4));
}

// A bright disc off the centre: wherever it goes, its mask goes too, and both keep about their area.
TEST(Augment, StrongMovesImageAndMaskTogether) {
  constexpr int size = 64;
  for (std::uint32_t epoch = 0; epoch < 50; ++epoch) {
    Sample sample{{size, size, Pixels(size * size, 40)}, {size, size, Pixels(size * size, 0)}};
    int before = 0;
    for (int y = 0; y < size; ++y)
      for (int x = 0; x < size; ++x)
        if ((x - 24) * (x - 24) + (y - 36) * (y - 36) < 100) {
          sample.image.pixels[static_cast<std::size_t>(y * size + x)] = 220;
          sample.mask.pixels[static_cast<std::size_t>(y * size + x)] = 1;
          ++before;
        }
    augment(sample, Augment::strong, 3, epoch, 0);
    int area = 0, apart = 0;
    for (std::size_t i = 0; i < size * size; ++i) {
      ASSERT_LE(sample.mask.pixels[i], 1);
      area += sample.mask.pixels[i];
      apart += (sample.image.pixels[i] > 130) != (sample.mask.pixels[i] == 1);
    }
    EXPECT_GT(area, before * 0.75) << epoch;
    EXPECT_LT(area, before * 1.3) << epoch;
    EXPECT_LT(apart, 40) << epoch;
  }
}

// On an image that is wider than high a disc stays a disc: turns and scales are of pixels, not of shares of the sides.
TEST(Augment, StrongDoesNotShearWhatIsNoSquare) {
  constexpr int width = 120, height = 60;
  for (std::uint32_t epoch = 0; epoch < 30; ++epoch) {
    Sample sample{{width, height, Pixels(width * height, 40)}, {width, height, Pixels(width * height, 0)}};
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        sample.mask.pixels[static_cast<std::size_t>(y * width + x)] =
            (x - 60) * (x - 60) + (y - 30) * (y - 30) < 15 * 15;
    augment(sample, Augment::strong, 3, epoch, 0);
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0, syy = 0;
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        if (sample.mask.pixels[static_cast<std::size_t>(y * width + x)] != 0)
          ++n, sx += x, sy += y, sxx += x * x, sxy += x * y, syy += y * y;
    // A disc of radius r has the moments r^2 / 4, 0 and r^2 / 4; 0.9 to 1.1 times as large.
    const double xx = sxx / n - sx / n * (sx / n), yy = syy / n - sy / n * (sy / n), xy = sxy / n - sx / n * (sy / n);
    EXPECT_NEAR(xx / yy, 1, 0.08) << epoch;  // diameters of about 30 pixels may be one pixel off
    EXPECT_NEAR(xy / xx, 0, 0.03) << epoch;  // turned by 15 degrees in shares of the sides, it would be 0.3
    EXPECT_NEAR(xx, 15 * 15 / 4.0, 15 * 15 / 4.0 * 0.25) << epoch;
    EXPECT_NEAR(n, 4 * 3.14159265 * xx, 0.05 * n) << epoch;
  }
}

// Whatever was moved in from outside is the replicated edge in the image and no lesion in the mask.
TEST(Augment, OutsideIsEdgeAndNoLesion) {
  int outside = 0;
  for (std::uint32_t epoch = 0; epoch < 20; ++epoch) {
    Sample sample{{32, 32, Pixels(32 * 32, 128)}, {32, 32, Pixels(32 * 32, 1)}};
    augment(sample, Augment::strong, 3, epoch, 0);
    outside += static_cast<int>(std::count(sample.mask.pixels.begin(), sample.mask.pixels.end(), 0));
    const auto [low, high] = std::minmax_element(sample.image.pixels.begin(), sample.image.pixels.end());
    EXPECT_GT(*low, 40) << epoch;
    EXPECT_LT(*high, 240) << epoch;
  }
  EXPECT_GT(outside, 100);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
