#include "common/data/fit.h"

#include <gtest/gtest.h>

#include "common/core/random.h"
#include "common/data/resize.h"
#include "common/data/sample.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

void expect_region(const Region& region, int left, int top, int width, int height) {
  EXPECT_EQ(region.left, left);
  EXPECT_EQ(region.top, top);
  EXPECT_EQ(region.width, width);
  EXPECT_EQ(region.height, height);
}

Grey noise(int width, int height) {
  Random random(3);
  Grey image{width, height, {}};
  for (int i = 0; i < width * height; ++i) image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  return image;
}

TEST(Fit, WithoutKeepAspectTheImageFillsTheSize) {
  expect_region(fitted_region(500, 100, {24, 40}, false), 0, 0, 40, 24);
  const Grey image = noise(13, 7);
  EXPECT_EQ(fit_image(image, {24, 40}, false).pixels, resize_bilinear(image, 40, 24).pixels);
  EXPECT_EQ(fit_mask(image, {24, 40}, false).pixels, resize_nearest(image, 40, 24).pixels);
  EXPECT_EQ(fit_image(image, {7, 13}, false).pixels, image.pixels);
}

TEST(Fit, KeepAspectCentresTheLargestPictureOfTheShape) {
  expect_region(fitted_region(50, 30, 40, true), 0, 8, 40, 24);
  expect_region(fitted_region(30, 50, 40, true), 8, 0, 24, 40);
  expect_region(fitted_region(50, 30, {24, 40}, true), 0, 0, 40, 24);
  expect_region(fitted_region(5, 3, {24, 40}, true), 0, 0, 40, 24);
  expect_region(fitted_region(1, 1, {24, 40}, true), 8, 0, 24, 24);
  // Of an odd number of lines the larger half is below and on the right; sides are rounded to the nearest pixel.
  expect_region(fitted_region(100, 33, 100, true), 0, 33, 100, 33);
  expect_region(fitted_region(100, 32, 101, true), 0, 34, 101, 32);
  expect_region(fitted_region(3, 2, 16, true), 0, 2, 16, 11);
  // However thin it is, something is left of it.
  expect_region(fitted_region(5000, 1, 256, true), 0, 127, 256, 1);
  expect_region(fitted_region(1, 30000, {256, 64}, true), 31, 0, 1, 256);
}

TEST(Fit, EveryRegionLiesInsideAndTouchesTwoSides) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const auto side = [&](std::uint32_t most) { return 1 + static_cast<int>(random.below(most)); };
    const int width = side(3000), height = side(3000);
    const ImageSize size(side(600), side(600));
    const Region r = fitted_region(width, height, size, true);
    ASSERT_TRUE(r.left >= 0 && r.top >= 0 && r.width >= 1 && r.height >= 1);
    ASSERT_TRUE(r.left + r.width <= size.width && r.top + r.height <= size.height);
    ASSERT_TRUE(r.width == size.width || r.height == size.height);
    const double scale = std::min(static_cast<double>(size.width) / width, static_cast<double>(size.height) / height);
    ASSERT_LE(std::abs(r.width - scale * width), r.width == 1 ? 1 : 0.5 + 1e-9);
    ASSERT_LE(std::abs(r.height - scale * height), r.height == 1 ? 1 : 0.5 + 1e-9);
  }
}

TEST(Fit, KeepAspectChangesNothingWhereTheShapeFits) {
  const Grey image = noise(40, 24);
  EXPECT_EQ(fit_image(image, {24, 40}, true).pixels, image.pixels);
  EXPECT_EQ(fit_image(image, {48, 80}, true).pixels, fit_image(image, {48, 80}, false).pixels);
  EXPECT_EQ(fit_mask(image, {12, 20}, true).pixels, fit_mask(image, {12, 20}, false).pixels);
}

TEST(Fit, PaddingRepeatsTheEdgeOfTheImage) {
  const Grey image = noise(20, 9), fitted = fit_image(image, 20, true);
  ASSERT_EQ(fitted.width, 20);
  ASSERT_EQ(fitted.height, 20);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x) {
      const int from = std::min(std::max(y - 5, 0), 8);
      ASSERT_EQ(fitted.pixels[static_cast<std::size_t>(y * 20 + x)],
                image.pixels[static_cast<std::size_t>(from * 20 + x)]);
    }
  // Upright it is the same on its side.
  Grey upright{9, 20, {}};
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 9; ++x) upright.pixels.push_back(image.pixels[static_cast<std::size_t>(x * 20 + y)]);
  const Grey other = fit_image(upright, 20, true);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x)
      ASSERT_EQ(other.pixels[static_cast<std::size_t>(y * 20 + x)],
                fitted.pixels[static_cast<std::size_t>(x * 20 + y)]);
}

// A lesion at the border of the image ends there.
TEST(Fit, PaddingOfAMaskIsNoLesion) {
  const Grey fitted = fit_mask({20, 10, std::vector<std::uint8_t>(200, 1)}, 20, true);
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 20; ++x)
      ASSERT_EQ(fitted.pixels[static_cast<std::size_t>(y * 20 + x)], y >= 5 && y < 15 ? 1 : 0);
}

TEST(Fit, CasesAreFittedAsTheirReadingSays) {
  const TemporaryFolder folder;
  const Grey image = noise(20, 10);
  write_png(folder / "a.png", image);
  write_png(folder / "a_mask.png", Grey{20, 10, std::vector<std::uint8_t>(200, 255)});
  Case one;
  one.image = folder / "a.png";
  one.masks = {folder / "a_mask.png"};
  Sample sample = load(one, {16, 16});
  EXPECT_EQ(sample.image.pixels, resize_bilinear(image, 16, 16).pixels);
  EXPECT_EQ(std::count(sample.mask.pixels.begin(), sample.mask.pixels.end(), 1), 256);
  one.reading.keep_aspect = true;
  sample = load(one, {16, 16});
  EXPECT_EQ(sample.image.pixels, fit_image(image, 16, true).pixels);
  EXPECT_EQ(std::count(sample.mask.pixels.begin(), sample.mask.pixels.end(), 1), 16 * 8);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
