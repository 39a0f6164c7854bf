#include "common/data/sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "common/core/random.h"
#include "common/data/similarity.h"

namespace attnunet::data {
namespace TEST_FILE {

constexpr std::size_t sketched_pixels = std::size_t{thumbnail_size} * thumbnail_size;

Grey noise(std::uint64_t seed) {
  Grey image{thumbnail_size, thumbnail_size, std::vector<std::uint8_t>(sketched_pixels)};
  Random random(seed);
  for (std::uint8_t& pixel : image.pixels) pixel = static_cast<std::uint8_t>(random.below(256));
  return image;
}

/// Smooth, as ultrasound images are at this size, plus so much of the noise.
Grey smooth(double share, std::uint64_t seed) {
  Grey image = noise(seed);
  for (std::size_t i = 0; i < sketched_pixels; ++i) {
    const auto x = static_cast<double>(i % thumbnail_size), y = static_cast<double>(i / thumbnail_size);
    const double wave = 100 + 60 * std::sin(x / 9) * std::cos(y / 13) + 30 * std::sin(y / 5);
    image.pixels[i] = static_cast<std::uint8_t>(std::clamp(wave + share * (image.pixels[i] - 128), 0.0, 255.0));
  }
  return image;
}

double correlation(const Grey& a, const Grey& b) {
  return similar_pairs({a, b}, -2).at(0).correlation;
}

TEST(Sketch, EstimatesTheCorrelation) {
  for (const double share : {0.0, 0.02, 0.1, 0.2, 0.3, 0.5, 1.0}) {
    const Grey a = smooth(share, 1), b = smooth(share, 2);
    const double right = correlation(a, b), angle = std::acos(std::min(1.0, right)), p = angle / M_PI;
    const double deviation = M_PI * std::sqrt(p * (1 - p) / 1024) * std::sin(angle);
    EXPECT_NEAR(correlation_of(sketch_of(a), sketch_of(b)), right, 4 * deviation + 1e-3) << share;
  }
}

TEST(Sketch, UnrelatedImagesDoNotCorrelate) {
  for (std::uint64_t seed = 0; seed < 20; ++seed)
    EXPECT_LT(correlation_of(sketch_of(noise(2 * seed)), sketch_of(noise(2 * seed + 1))), 0.25);
}

TEST(Sketch, NegativeAndContrast) {
  const Grey image = smooth(0.1, 3);
  Grey negative = image, faint = image;
  for (std::uint8_t& pixel : negative.pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
  for (std::uint8_t& pixel : faint.pixels) pixel = static_cast<std::uint8_t>(100 + pixel / 4);
  EXPECT_LT(correlation_of(sketch_of(image), sketch_of(negative)), -0.999);
  EXPECT_GT(correlation_of(sketch_of(image), sketch_of(faint)), 0.98);
}

TEST(Sketch, OneGreyLevelCorrelatesWithNothing) {
  const Grey flat{thumbnail_size, thumbnail_size, std::vector<std::uint8_t>(sketched_pixels, 90)};
  EXPECT_EQ(sketch_of(flat), Sketch{});
  EXPECT_EQ(correlation_of(sketch_of(flat), sketch_of(flat)), 0);
  EXPECT_EQ(correlation_of(sketch_of(flat), sketch_of(noise(1))), 0);
}

// Sketches are stored in files, so they may never change.
TEST(Sketch, AlwaysTheSameBits) {
  Grey ramp{thumbnail_size, thumbnail_size, std::vector<std::uint8_t>(sketched_pixels)};
  for (std::size_t i = 0; i < sketched_pixels; ++i) ramp.pixels[i] = static_cast<std::uint8_t>(i % 251);
  const Sketch sketch = sketch_of(ramp);
  EXPECT_EQ((std::vector<int>(sketch.begin(), sketch.begin() + 4)), (std::vector<int>{65, 133, 22, 32}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
