#include "common/report/panel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "common/data/phantom.h"
#include "support/files.h"

namespace attnunet::report {
namespace TEST_FILE {

/// Grey 100; the lesion is the left half, the prediction the upper half.
data::Sample sample_of(const ImageSize& size) {
  const auto [height, width] = size;
  data::Sample sample;
  sample.image = sample.mask = {width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(size.pixels()), 100)};
  for (int i = 0; i < size.pixels(); ++i)
    sample.mask.pixels[static_cast<std::size_t>(i)] = i % width < width / 2 ? 1 : 0;
  return sample;
}
Explanation explanation_of(const ImageSize& size, std::size_t levels) {
  Explanation e;
  e.width = size.width;
  e.height = size.height;
  for (int i = 0; i < size.pixels(); ++i) e.logits.push_back(i / size.width < size.height / 2 ? 1.f : -1.f);
  e.gradcam.assign(e.logits.size(), 0.f);
  for (std::size_t level = 0; level < levels; ++level)
    e.attention.emplace_back(e.logits.size(), static_cast<float>(level) / 4.f);
  return e;
}

Colour pixel(const data::Rgb& image, int x, int y) {
  const std::uint8_t* at = image.pixels.data() + 3 * (y * image.width + x);
  return {at[0], at[1], at[2]};
}

class PanelOfSize : public ::testing::TestWithParam<ImageSize> {};

TEST_P(PanelOfSize, HasAPictureForEachMap) {
  const ImageSize size = GetParam();
  for (const std::size_t levels : {3u, 4u}) {
    const data::Rgb strip = panel(sample_of(size), explanation_of(size, levels), "epoch 1: benign (1)");
    const int squares = 4 + static_cast<int>(levels), step = (strip.width - 4) / squares;
    ASSERT_EQ(squares * step + 4, strip.width);
    // Below two lines of text; the shape is the image's. Columns are wider if a label needs more.
    int height = 0;
    while (pixel(strip, 4, strip.height - 5 - height) == Colour{100, 100, 100}) ++height;
    const int width = static_cast<int>(std::lround(static_cast<double>(height) * size.width / size.height));
    EXPECT_GE(std::max(height, width), 128);
    EXPECT_LE(std::max(height, width), 256);
    if (size.width >= size.height) {
      EXPECT_EQ(step - 4, width);
    }
    EXPECT_GE(step - 4, width);
    EXPECT_EQ(pixel(strip, 4 + width - 1, strip.height - 5), (Colour{100, 100, 100}));
    if (step - 4 > width) {
      EXPECT_EQ(pixel(strip, 4 + width, strip.height - 5), background_colour);
    }
    const int top = strip.height - 4 - height, side = step - 4;
    ASSERT_GT(top, 0);
    const auto at = [&](int square, double x, double y) {
      return pixel(strip, 4 + square * step + static_cast<int>(x * width), top + static_cast<int>(y * height));
    };
    const Colour white{255, 255, 255}, black{0, 0, 0}, grey{100, 100, 100};
    EXPECT_EQ(at(0, .25, .75), grey);
    EXPECT_EQ(at(1, .25, .75), white);  // actual: left
    EXPECT_EQ(at(1, .75, .25), black);
    EXPECT_EQ(at(2, .25, .75), black);  // predicted: above
    EXPECT_EQ(at(2, .75, .25), white);
    // Maps: brighter the higher they are; the coarsest gate, which has the highest here, comes first.
    const auto sum = [](Colour c) { return c[0] + c[1] + c[2]; };
    for (int square = 4; square + 1 < squares; ++square)
      EXPECT_GT(sum(at(square, .5, .5)), sum(at(square + 1, .5, .5)));
    EXPECT_EQ(at(squares - 1, .5, .5), at(3, .5, .5));  // both maps are 0
    // Something is written above every square.
    for (int square = 0; square < squares; ++square) {
      int lit = 0;
      for (int y = top / 2; y < top; ++y)
        for (int x = 0; x < side; ++x) lit += pixel(strip, 4 + square * step + x, y) == label_colour ? 1 : 0;
      EXPECT_GT(lit, 20) << square;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, PanelOfSize,
                         ::testing::Values(8, 32, 128, 200, 256, 300, 512, ImageSize(24, 40), ImageSize(256, 128),
                                           ImageSize(64, 16), ImageSize(192, 512)));

TEST(Panel, OutlinesOfTruthAndPrediction) {
  const data::Rgb image = outlined(sample_of(128), explanation_of(128, 3).logits);
  EXPECT_EQ(image.width, 128);
  EXPECT_EQ(pixel(image, 63, 100), truth_colour);
  int dashes = 0;
  for (int x = 66; x < 126; ++x) dashes += pixel(image, x, 63) == prediction_colour ? 1 : 0;
  EXPECT_EQ(dashes, 30);
  EXPECT_EQ(pixel(image, 100, 100), (Colour{100, 100, 100}));
  EXPECT_EQ(pixel(image, 30, 30), (Colour{100, 100, 100}));
}

TEST(Panel, OutlinesOfWhatIsNoSquare) {
  const data::Rgb image = outlined(sample_of({64, 128}), explanation_of({64, 128}, 3).logits);
  EXPECT_EQ(image.width, 128);
  EXPECT_EQ(image.height, 64);
  EXPECT_EQ(pixel(image, 63, 50), truth_colour);
  int dashes = 0;
  for (int x = 66; x < 126; ++x) dashes += pixel(image, x, 31) == prediction_colour ? 1 : 0;
  EXPECT_EQ(dashes, 30);
  EXPECT_EQ(pixel(image, 100, 50), (Colour{100, 100, 100}));
}

TEST(Panel, HalvedTakesMeans) {
  data::Rgb image = blank(5, 2, {10, 20, 30});
  image.pixels[0] = 50;
  const data::Rgb half = halved(image);
  ASSERT_EQ(half.width, 2);
  ASSERT_EQ(half.height, 1);
  EXPECT_EQ(pixel(half, 0, 0), (Colour{20, 20, 30}));
  EXPECT_EQ(pixel(half, 1, 0), (Colour{10, 20, 30}));
}

TEST(Panel, CasesAreDrawnBySeedThoseWithALesionFirst) {
  const TemporaryFolder folder;
  data::synthesize(folder / "data", 40, 32, 5);
  const data::Dataset dataset = data::scan(folder / "data");
  std::vector<std::size_t> all(dataset.cases.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto lesion = [&](std::size_t one) {
    const auto pixels = data::load(dataset.cases[one], 32).mask.pixels;
    return std::count(pixels.begin(), pixels.end(), 1) > 0;
  };
  const auto with = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), lesion));
  ASSERT_GT(with, 2u);
  ASSERT_LT(with, all.size());

  EXPECT_TRUE(panel_cases(dataset, all, 32, 1, 0).empty());
  std::vector<std::size_t> every = panel_cases(dataset, all, 32, 1, 1000);
  for (std::size_t i = 0; i < every.size(); ++i) EXPECT_EQ(lesion(every[i]), i < with) << i;
  for (std::size_t count = 1; count < every.size(); ++count)
    EXPECT_EQ(panel_cases(dataset, all, 32, 1, count),
              std::vector<std::size_t>(every.begin(), every.begin() + static_cast<std::ptrdiff_t>(count)));
  EXPECT_NE(panel_cases(dataset, all, 32, 2, 1000), every);
  std::sort(every.begin(), every.end());
  EXPECT_EQ(every, all);
}

TEST(Panel, FileNamesArePlainAndDiffer) {
  EXPECT_EQ(file_names({"benign (4)", "benign_4", "a/../b", "x.y-z", "(1)", "\xE6\x97\xA5"}),
            (std::vector<std::string>{"benign_4", "benign_4_2", "a_.._b", "x.y-z", "1", "case"}));
  EXPECT_LT(file_names({std::string(300, 'a')})[0].size(), 200u);
}

}  // namespace TEST_FILE
}  // namespace attnunet::report
