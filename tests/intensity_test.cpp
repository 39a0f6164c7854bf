// From the values of a file to 8 bits.
#include "common/data/intensity.h"

#include "support/files.h"
#include "support/png_kinds.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

using Pixels = std::vector<std::uint8_t>;

RawImage image_of(const std::vector<std::uint16_t>& samples, int bits, int stated = 0, int channels = 1) {
  RawImage image;
  image.width = static_cast<int>(samples.size()) / channels;
  image.height = 1;
  image.channels = channels;
  image.bits = bits;
  image.samples = samples;
  image.significant_bits = stated;
  return image;
}

Pixels automatic(const RawImage& image, int bits = 0) {
  return grey_of(image, {IntensityRule::automatic, bits}).pixels;
}

TEST(Intensity, RangeIsTheSmallestThatHoldsTheValue) {
  EXPECT_EQ(range_bits(256), 10);
  EXPECT_EQ(range_bits(1023), 10);
  EXPECT_EQ(range_bits(1024), 12);
  EXPECT_EQ(range_bits(4095), 12);
  EXPECT_EQ(range_bits(4096), 14);
  EXPECT_EQ(range_bits(16383), 14);
  EXPECT_EQ(range_bits(16384), 16);
  EXPECT_EQ(range_bits(65535), 16);
}

TEST(Intensity, AutoLeavesEightBitsUntouched) {
  for (const int bits : {1, 2, 4, 8}) {
    RawImage image = image_of({0, 1}, bits, 1);
    EXPECT_EQ(automatic(image, 12), luma_of(image).pixels) << bits;
    EXPECT_EQ(largest_of_unknown_range(image), 0);
  }
}

TEST(Intensity, AutoScalesDeepFilesByTheRangeInUse) {
  const RawImage twelve = image_of({0, 16, 2048, 4095}, 16);
  EXPECT_EQ(largest_of_unknown_range(twelve), 4095);
  EXPECT_EQ(automatic(twelve), (Pixels{0, 1, 128, 255})) << "by its own largest value";
  EXPECT_EQ(automatic(twelve, 12), (Pixels{0, 1, 128, 255}));
  EXPECT_EQ(automatic(image_of({0, 16, 800}, 16), 12), (Pixels{0, 1, 50})) << "a dark image stays dark";
  EXPECT_EQ(automatic(image_of({4096, 65535}, 16), 12), (Pixels{255, 255})) << "beyond the range is white";
  EXPECT_EQ(automatic(twelve, 16), luma_of(twelve).pixels);
  EXPECT_EQ(automatic(image_of({0, 256, 65535}, 16)), (Pixels{0, 1, 255}));
}

TEST(Intensity, AutoTakesTheStatedBits) {
  const RawImage stated = image_of({0, 16, 800}, 16, 12);
  EXPECT_EQ(largest_of_unknown_range(stated), 0);
  EXPECT_EQ(automatic(stated), (Pixels{0, 1, 50}));
  EXPECT_EQ(automatic(stated, 14), (Pixels{0, 1, 50})) << "before those of the training set";
  EXPECT_EQ(automatic(image_of({0, 256, 65535}, 16, 12), 12), (Pixels{0, 1, 255})) << "scaled up, as PNG wants it";
  EXPECT_EQ(automatic(image_of({0, 15, 255}, 16, 4), 12), (Pixels{0, 0, 0})) << "scaled up from 4 bits";
  EXPECT_EQ(automatic(image_of({0, 16, 4095}, 12)), (Pixels{0, 1, 255})) << "a format of 12 bits";
  EXPECT_EQ(automatic(image_of({0, 100, 200}, 16, 8)), (Pixels{0, 100, 200}));
}

TEST(Intensity, ColourIsScaledByChannel) {
  EXPECT_EQ(automatic(image_of({160, 320, 480}, 16, 0, 3), 12), (Pixels{18}));  // 10, 20, 30
}

TEST(Intensity, MinMaxAndPercentileAreOfEachImage) {
  const Intensity minmax{IntensityRule::minmax, 0}, percentile{IntensityRule::percentile, 0};
  EXPECT_EQ(grey_of(image_of({100, 300, 1100}, 16), minmax).pixels, (Pixels{0, 51, 255}));
  EXPECT_EQ(grey_of(image_of({10, 20, 30}, 8), minmax).pixels, (Pixels{0, 128, 255}));
  EXPECT_EQ(grey_of(image_of({7, 7}, 8), minmax).pixels, (Pixels{0, 0}));
  // 200 pixels: the two darkest and the two brightest are left out.
  std::vector<std::uint16_t> samples{0, 5000, 1, 60000};
  for (int i = 0; i < 196; ++i) samples.push_back(static_cast<std::uint16_t>(1000 + i));
  const Pixels pixels = grey_of(image_of(samples, 16), percentile).pixels;
  EXPECT_EQ(Pixels(pixels.begin(), pixels.begin() + 4), (Pixels{0, 255, 0, 255}));
  EXPECT_EQ(pixels[4], 0);
  EXPECT_EQ(pixels[4 + 39], 51);
  EXPECT_EQ(pixels[199], 255);
}

TEST(Intensity, PngStatesItsSignificantBits) {
  const TemporaryFolder folder;
  write_png_kind(folder / "a.png", big_endian({0, 16, 4000}), 3, 1, LCT_GREY, 16, {}, 12);
  EXPECT_EQ(read_png(folder / "a.png").significant_bits, 12);
  EXPECT_EQ(automatic(read_png(folder / "a.png")), (Pixels{0, 1, 250}));
  write_png_kind(folder / "b.png", big_endian({0, 16, 4000}), 3, 1, LCT_GREY, 16);
  EXPECT_EQ(read_png(folder / "b.png").significant_bits, 0);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
