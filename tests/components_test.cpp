#include "common/predict/components.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/predict.h"

namespace attnunet {
namespace TEST_FILE {

/// Rows of '#' and '.'.
data::Grey mask_of(const std::vector<std::string>& rows) {
  data::Grey mask{static_cast<int>(rows[0].size()), static_cast<int>(rows.size()), {}};
  for (const std::string& row : rows)
    for (const char pixel : row) mask.pixels.push_back(pixel == '#' ? 255 : 0);
  return mask;
}

std::vector<std::string> kept(const std::vector<std::string>& rows, std::size_t min_area, std::size_t largest) {
  data::Grey mask = mask_of(rows);
  keep_components(mask, min_area, largest);
  std::vector<std::string> result(rows.size());
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) result[i / rows[0].size()] += mask.pixels[i] != 0 ? '#' : '.';
  return result;
}

using Rows = std::vector<std::string>;

// Five parts: 3 pixels (a corner joins them), 1, 4, 1 and 3.
const Rows parts = {"##...#..",  //
                    "..#....#",  //
                    ".......#",  //
                    "#.....##",  //
                    "..###..."};

TEST(Components, WithoutARuleAllStay) {
  EXPECT_EQ(kept(parts, 0, 0), parts);
  EXPECT_EQ(kept(parts, 1, 5), parts);
}

TEST(Components, SmallOnesGo) {
  const Rows three = {"##......", "..#....#", ".......#", "......##", "..###..."};
  EXPECT_EQ(kept(parts, 2, 0), three);
  EXPECT_EQ(kept(parts, 3, 0), three);
  EXPECT_EQ(kept(parts, 4, 0), (Rows{"........", ".......#", ".......#", "......##", "........"}));
  EXPECT_EQ(kept(parts, 5, 0), Rows(5, "........"));
}

TEST(Components, TheLargestStay) {
  EXPECT_EQ(kept(parts, 0, 1), (Rows{"........", ".......#", ".......#", "......##", "........"}));
  EXPECT_EQ(kept(parts, 0, 2), (Rows{"##......", "..#....#", ".......#", "......##", "........"})) << "the upper one";
  EXPECT_EQ(kept(parts, 4, 3), kept(parts, 4, 0));
}

TEST(Components, LongAndWoundParts) {
  const Rows spiral = {"#######", "#.....#", "#.###.#", "#.#.#.#", "#.#...#", "#.#####", "#......"};
  EXPECT_EQ(kept(spiral, 2, 1), spiral);
  const Rows full(300, std::string(300, '#'));
  EXPECT_EQ(kept(full, 90000, 1), full);
  EXPECT_EQ(kept(full, 90001, 0), Rows(300, std::string(300, '.')));
}

// The mask, its outline and the table follow.
TEST_F(Predict, WhatIsLeftOfAMaskIsInAllResults) {
  for (std::uint32_t i = 0; i < 4; ++i) phantom("i" + std::to_string(i) + ".png", 64, 64, i);
  const std::vector<std::string> all = {images, "--threshold", "0.5", "--csv", phantoms / "t.csv"};
  expect_success(predict(all));
  std::map<std::string, data::Grey> before;
  for (const char* name : {"i0", "i1", "i2", "i3"}) before[name] = result(name + std::string("_mask.png"));
  std::vector<std::string> filtered = all;
  filtered.insert(filtered.end(), {"--min-area", "4", "--largest", "1"});
  expect_success(predict(filtered));
  std::size_t changed = 0;
  for (const auto& row : rows_of(phantoms / "t.csv")) {
    data::Grey expected = before.at(row.at("name"));
    const std::size_t all_marked = marked(expected);
    keep_components(expected, 4, 1);
    const data::Grey mask = result(row.at("name") + "_mask.png");
    EXPECT_EQ(mask.pixels, expected.pixels) << row.at("name");
    EXPECT_EQ(row.at("lesion_pixels"), std::to_string(marked(expected)));
    changed += marked(expected) != all_marked ? 1 : 0;
  }
  EXPECT_GT(changed, 0u) << "every mask is one part: this test says nothing";
  expect_failure(predict({images, "--largest", "-1"}), 2, {"--largest"});
  expect_failure(predict({images, "--min-area", "-1"}), 2, {"--min-area"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
