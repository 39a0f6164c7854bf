#include "common/core/image_size.h"

#include <gtest/gtest.h>

namespace attnunet {
namespace TEST_FILE {

TEST(ImageSize, TextsGoThereAndBack) {
  EXPECT_EQ(text_of(256), "256");
  EXPECT_EQ(text_of({192, 256}), "192x256");
  EXPECT_EQ(parse_image_size("256"), ImageSize(256));
  EXPECT_EQ(parse_image_size("256x256"), ImageSize(256));
  EXPECT_EQ(text_of(*parse_image_size("256x256")), "256") << "a square has one text, whatever was typed";
  const std::optional<ImageSize> size = parse_image_size("192x256");
  ASSERT_TRUE(size);
  EXPECT_EQ(size->height, 192);
  EXPECT_EQ(size->width, 256);
  EXPECT_FALSE(size->is_square());
  EXPECT_EQ(size->pixels(), 192 * 256);
}

TEST(ImageSize, OtherTextsAreRefused) {
  for (const char* text : {"", "x", "192x", "x256", "192x256x1", "192 x 256", "192X256", "192*256", "-8", "8x-8", "+8",
                           "8.0", "1e2", "256px", "99999999999", "8x99999999999", " 8", "8 "})
    EXPECT_FALSE(parse_image_size(text)) << text;
}

TEST(ImageSize, ComplaintNamesTheSide) {
  EXPECT_EQ(size_complaint(8, 8), "");
  EXPECT_EQ(size_complaint({8, 4096}, 8), "");
  EXPECT_EQ(size_complaint(15, 16), "15 is out of range: a whole number from 16 to 4096");
  EXPECT_EQ(size_complaint({192, 15}, 16), "192x15 is out of range: its width must be a whole number from 16 to 4096");
  EXPECT_EQ(size_complaint({4097, 192}, 16),
            "4097x192 is out of range: its height must be a whole number from 16 to 4096");
  EXPECT_EQ(size_complaint({7, 4097}, 8),
            "7x4097 is out of range: height and width must be a whole number from 8 to 4096");
}

TEST(ImageSize, SentencesSayWhichSideIsWhich) {
  EXPECT_EQ(described(256), "256 x 256");
  EXPECT_EQ(described({192, 256}), "192 x 256 (height x width)");
}

}  // namespace TEST_FILE
}  // namespace attnunet
