#include "common/data/resize.h"

#include "support/files.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

TEST(Resize, BilinearEqualsPillowToTheByte) {
  const auto folder = std::filesystem::path(source_folder()) / "tests" / "golden" / "resize";
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::string name = entry.path().filename().string();
    if (name.find("_in.png") == std::string::npos) continue;
    const Grey expected = read_luma(folder / name.replace(name.find("_in"), 3, "_out"));
    const Grey actual = resize_bilinear(read_luma(entry.path()), expected.width, expected.height);
    EXPECT_EQ(actual.width, expected.width);
    EXPECT_EQ(actual.height, expected.height);
    EXPECT_EQ(actual.pixels, expected.pixels) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 15);
}

TEST(Resize, SameSizeIsTheSameImage) {
  const Grey image{3, 2, {1, 2, 3, 250, 251, 252}};
  EXPECT_EQ(resize_bilinear(image, 3, 2).pixels, image.pixels);
  EXPECT_EQ(resize_nearest(image, 3, 2).pixels, image.pixels);
}

TEST(Resize, NearestTakesThePixelUnderTheCentre) {
  const Grey row{5, 1, {10, 11, 12, 13, 14}};
  // (i + 0.5) * 5 / 3 = 0.83, 2.5, 4.17; (i + 0.5) * 5 / 2 = 1.25, 3.75; (i + 0.5) * 5 / 8 = 0.31, 0.94, 1.56, ...
  EXPECT_EQ(resize_nearest(row, 3, 1).pixels, (std::vector<std::uint8_t>{10, 12, 14}));
  EXPECT_EQ(resize_nearest(row, 2, 1).pixels, (std::vector<std::uint8_t>{11, 13}));
  EXPECT_EQ(resize_nearest(row, 8, 1).pixels, (std::vector<std::uint8_t>{10, 10, 11, 12, 12, 13, 14, 14}));
  const Grey column{1, 4, {1, 2, 3, 4}};
  EXPECT_EQ(resize_nearest(column, 2, 2).pixels, (std::vector<std::uint8_t>{2, 2, 4, 4}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
