// What predict writes, from logits that a test makes up.
#include "common/predict/results.h"

#include <gtest/gtest.h>

#include <sstream>

#include "common/data/fit.h"
#include "support/files.h"
#include "support/png_reader.h"

namespace attnunet {
namespace TEST_FILE {

using data::Grey;

/// Values of 1 within a rectangle of the network's image, else -1.
report::Explanation marking(const ImageSize& size, const data::Region& rectangle) {
  report::Explanation e;
  e.width = size.width;
  e.height = size.height;
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x) {
      const bool inside = x >= rectangle.left && x < rectangle.left + rectangle.width && y >= rectangle.top &&
                          y < rectangle.top + rectangle.height;
      e.logits.push_back(inside ? 1.0f : -1.0f);
    }
  e.attention = {e.logits};
  e.gradcam = e.logits;
  return e;
}

struct Written {
  TemporaryFolder folder;
  Grey mask, probability;
  std::vector<std::string> cells;

  Written(const PredictedImage& of, const report::Explanation& explanation, ResultOptions options = {}) {
    options.probability = options.overlay = options.attention = options.gradcam = true;
    std::istringstream row(write_results(folder / "a", of, explanation, options, 1));
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    mask = data::read_luma(folder / "a_mask.png");
    probability = data::read_luma(folder / "a_probability.png");
    for (const char* ending : {"_overlay", "_attention_0", "_gradcam"}) {
      const Grey picture = data::read_luma(folder / ("a" + std::string(ending) + ".png"));
      EXPECT_EQ(picture.width, of.image.width) << ending;
      EXPECT_EQ(picture.height, of.image.height) << ending;
    }
  }
};

void expect_rectangle(const Grey& mask, int left, int top, int width, int height) {
  for (int y = 0; y < mask.height; ++y)
    for (int x = 0; x < mask.width; ++x) {
      const bool inside = x >= left && x < left + width && y >= top && y < top + height;
      ASSERT_EQ(mask.pixels[static_cast<std::size_t>(y * mask.width + x)], inside ? 255 : 0) << x << ", " << y;
    }
}

Grey grey(int width, int height) {
  return {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height), 90)};
}

// 50 x 30 pixels stand in rows 8 to 31 of 40 x 40: 4 pixels of the network are 5 of the image.
TEST(Results, KeepAspectIsUndoneToThePixel) {
  PredictedImage of{"n", grey(50, 30), {}, true, {}, {}};
  of.pixel = {0.5, 0.25};
  const Written written(of, marking(40, {8, 12, 16, 8}));
  expect_rectangle(written.mask, 10, 5, 20, 10);
  // Area, box, area in mm^2, and how it came about.
  EXPECT_EQ(written.cells[3], "200");
  EXPECT_EQ(written.cells[4] + " " + written.cells[5] + " " + written.cells[6] + " " + written.cells[7], "10 5 20 10");
  EXPECT_EQ(written.cells[12], "25");
  EXPECT_EQ(written.cells[15], "40");
  EXPECT_EQ(written.cells[16], "yes");
}

TEST(Results, KeepAspectOfAnUprightImageInAWideNetwork) {
  // 30 x 48 in 24 x 40 (height x width) is 15 x 24, 12 columns in: a pixel of the network is 2 x 2 of the image.
  const PredictedImage of{"n", grey(30, 48), {}, true, {}, {}};
  const Written written(of, marking({24, 40}, {12 + 3, 4, 4, 8}));
  expect_rectangle(written.mask, 6, 8, 8, 16);
  EXPECT_EQ(written.cells[15], "24x40");
}

TEST(Results, WhatIsMarkedInThePaddingIsNotInTheImage) {
  const PredictedImage of{"n", grey(50, 30), {}, true, {}, {}};
  const Written written(of, marking(40, {0, 0, 40, 8}));
  expect_rectangle(written.mask, 0, 0, 0, 0);
  // The first row is that of the network's row 8: nothing of row 7 is mixed in.
  EXPECT_EQ(written.probability.pixels[0], std::lround(255 / (1 + std::exp(1.0))));
  EXPECT_EQ(written.cells[3], "0");
}

// Of a DICOM image the network sees a region, which is what keeps its shape.
TEST(Results, KeepAspectOfARegion) {
  const PredictedImage of{"n", grey(80, 70), {20, 30, 50, 30}, true, {}, {}};
  const Written written(of, marking(40, {8, 12, 16, 8}));
  expect_rectangle(written.mask, 20 + 10, 30 + 5, 20, 10);
}

TEST(Results, WithoutKeepAspectTheWholeOfTheNetworksImageIsTheImage) {
  const PredictedImage of{"n", grey(50, 30), {}, false, {}, {}};
  ResultOptions options;
  options.marking.min_area = 3;
  const Written written(of, marking({24, 40}, {8, 4, 16, 8}), options);
  expect_rectangle(written.mask, 10, 5, 20, 10);
  EXPECT_EQ(written.cells[16], "no");
  EXPECT_EQ(written.cells[17], "0.5");
  EXPECT_EQ(written.cells[18], "3");
}

// An odd picture: as far as half a pixel of the network goes, what is marked there comes back to where it was.
TEST(Results, OddPicturesComeBackToWhereTheyWere) {
  for (const auto& [width, height] : {std::pair(61, 37), std::pair(37, 61), std::pair(97, 31), std::pair(33, 35)}) {
    Grey truth = grey(width, height);
    for (int y = 0; y < height; ++y)
      for (int x = 0; x < width; ++x)
        truth.pixels[static_cast<std::size_t>(y * width + x)] =
            x >= width / 4 && x < width / 2 && y >= height / 3 && y < 2 * height / 3;
    for (const ImageSize& size : {ImageSize(48), ImageSize(24, 64)}) {
      const Grey seen = data::fit_mask(truth, size, true);
      report::Explanation e = marking(size, {0, 0, 0, 0});
      for (std::size_t i = 0; i < e.logits.size(); ++i) e.logits[i] = seen.pixels[i] != 0 ? 1.0f : -1.0f;
      const data::Region region = data::fitted_region(width, height, size, true);
      // Pixels of the image that one of the network's stands for, on either side of an edge.
      const double step = std::max(1.0, static_cast<double>(width) / region.width);
      const PredictedImage of{"n", grey(width, height), {}, true, {}, {}};
      const Written written(of, e);
      const int left = std::stoi(written.cells[4]), top = std::stoi(written.cells[5]);
      EXPECT_NEAR(left, width / 4, step) << width << " " << text_of(size);
      EXPECT_NEAR(top, height / 3, step) << width << " " << text_of(size);
      EXPECT_NEAR(left + std::stoi(written.cells[6]), width / 2, step) << width << " " << text_of(size);
      EXPECT_NEAR(top + std::stoi(written.cells[7]), 2 * height / 3, step) << width << " " << text_of(size);
    }
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
