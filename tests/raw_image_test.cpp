#include "common/data/raw_image.h"

#include <gtest/gtest.h>

namespace attnunet::data {
namespace TEST_FILE {

using Values = std::vector<std::uint16_t>;

// Stored as A B C    by the EXIF standard: where row 0 and column 0 of what is stored are in the picture.
//           D E F
TEST(RawImage, EveryOrientationIsShownAsAViewerShowsIt) {
  const struct {
    int orientation, width, height;
    Values shown;
  } all[] = {
      {1, 3, 2, {'A', 'B', 'C', 'D', 'E', 'F'}},  // row 0: top, column 0: left
      {2, 3, 2, {'C', 'B', 'A', 'F', 'E', 'D'}},  // top, right
      {3, 3, 2, {'F', 'E', 'D', 'C', 'B', 'A'}},  // bottom, right
      {4, 3, 2, {'D', 'E', 'F', 'A', 'B', 'C'}},  // bottom, left
      {5, 2, 3, {'A', 'D', 'B', 'E', 'C', 'F'}},  // left, top
      {6, 2, 3, {'D', 'A', 'E', 'B', 'F', 'C'}},  // right, top
      {7, 2, 3, {'F', 'C', 'E', 'B', 'D', 'A'}},  // right, bottom
      {8, 2, 3, {'C', 'F', 'B', 'E', 'A', 'D'}},  // left, bottom
  };
  for (const auto& one : all) {
    SCOPED_TRACE(one.orientation);
    RawImage stored;
    stored.width = 3;
    stored.height = 2;
    stored.samples = stored.alpha = stored.indices = {'A', 'B', 'C', 'D', 'E', 'F'};
    stored.orientation = one.orientation;
    stored.mm_per_column = 0.5;
    stored.mm_per_row = 0.25;
    const RawImage shown = oriented(stored);
    EXPECT_EQ(shown.width, one.width);
    EXPECT_EQ(shown.height, one.height);
    EXPECT_EQ(shown.samples, one.shown);
    EXPECT_EQ(shown.alpha, one.shown);
    EXPECT_EQ(shown.indices, one.shown);
    EXPECT_EQ(shown.mm_per_column, one.width == 3 ? 0.5 : 0.25);
    EXPECT_EQ(shown.mm_per_row, one.width == 3 ? 0.25 : 0.5);
  }
}

TEST(RawImage, TheChannelsOfAPixelStayTogether) {
  RawImage stored;
  stored.width = 1;
  stored.height = 2;
  stored.channels = 3;
  stored.samples = {1, 2, 3, 4, 5, 6};
  stored.orientation = 6;
  const RawImage shown = oriented(stored);
  EXPECT_EQ(shown.width, 2);
  EXPECT_EQ(shown.height, 1);
  EXPECT_EQ(shown.samples, (Values{4, 5, 6, 1, 2, 3}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
