#include "common/report/lesion_table.h"

#include <gtest/gtest.h>

namespace attnunet::report {
namespace TEST_FILE {

TEST(LesionTable, MeasuresBoxCentroidAndProbability) {
  //  . . . . .
  //  . # # . .
  //  . . # . #
  data::Grey mask{5, 3, std::vector<std::uint8_t>(15, 0)};
  std::vector<float> probability(15, 0.25f);
  for (const std::size_t i : {6u, 7u, 12u, 14u}) mask.pixels[i] = 255;
  probability[6] = 0.5f;
  probability[7] = 1.0f;
  probability[12] = 0.75f;
  probability[14] = 0.75f;
  const Lesion lesion = measure_lesion(mask, probability);
  EXPECT_EQ(lesion.pixels, 4);
  EXPECT_EQ(lesion.left, 1);
  EXPECT_EQ(lesion.top, 1);
  EXPECT_EQ(lesion.width, 4);
  EXPECT_EQ(lesion.height, 2);
  EXPECT_DOUBLE_EQ(lesion.centroid_x, (1 + 2 + 2 + 4) / 4.0);
  EXPECT_DOUBLE_EQ(lesion.centroid_y, (1 + 1 + 2 + 2) / 4.0);
  EXPECT_DOUBLE_EQ(lesion.mean_probability, 0.75);
  EXPECT_DOUBLE_EQ(lesion.max_probability, 1);
  EXPECT_EQ(lesion_table_row("n", 5, 3, lesion, {}, {256}), "n,5,3,4,1,1,4,2,2.25,1.5,0.75,1,,,,256,no,0.5,,\n");
}

TEST(LesionTable, OfNothingOnlyWhatThereIs) {
  const data::Grey mask{2, 1, {0, 0}};
  const Lesion lesion = measure_lesion(mask, {0.125f, 0.25f});
  EXPECT_EQ(lesion.pixels, 0);
  const std::string row = lesion_table_row("n", 2, 1, lesion, {}, {ImageSize(24, 40), true, {0.37, 9, 2}}),
                    head = lesion_table_head();
  EXPECT_EQ(row, "n,2,1,0,,,,,,,,0.25,,,,24x40,yes,0.37,9,2\n");
  EXPECT_EQ(std::count(row.begin(), row.end(), ','), std::count(head.begin(), head.end(), ','));
}

TEST(LesionTable, AreaOfPixelsThatAreNotSquare) {
  const data::Grey mask{2, 2, {255, 0, 255, 255}};
  const Lesion lesion = measure_lesion(mask, {1, 0, 1, 1});
  EXPECT_EQ(lesion_table_row("n", 2, 2, lesion, {0.5, 0.25}, {256}),
            "n,2,2,3,0,0,2,2,0.333333333,0.666666667,1,1,0.375,0.5,0.25,256,no,0.5,,\n");
  EXPECT_EQ(lesion_table_row("n", 2, 2, measure_lesion({2, 2, {0, 0, 0, 0}}, {0, 0, 0, 0}), {2, 2}, {256}),
            "n,2,2,0,,,,,,,,0,0,2,2,256,no,0.5,,\n");
  EXPECT_EQ(lesion_table_head().rfind(
                "name,width,height,lesion_pixels,box_left,box_top,box_width,box_height,centroid_x,centroid_y,"
                "mean_probability,max_probability,",
                0),
            0u)
      << "the columns that scripts rely on come first";
}

}  // namespace TEST_FILE
}  // namespace attnunet::report
