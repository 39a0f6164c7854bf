// attnunet data check, through the program.
#include <gtest/gtest.h>
#include <lodepng.h>

#include "common/core/random.h"
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

using Json = nlohmann::json;
using Names = std::vector<std::string>;

constexpr int side = 64;

data::Grey noise(int number) {
  Random random(static_cast<std::uint64_t>(number));
  data::Grey image{side, side, {}};
  for (int i = 0; i < side * side; ++i) image.pixels.push_back(static_cast<std::uint8_t>(random.below(250)));
  return image;
}

/// A mask whose first `rows` rows of `first`, `first` + 1, ... are lesion.
data::Grey rows(int first, int count, std::uint8_t value = 255) {
  data::Grey mask{side, side, std::vector<std::uint8_t>(side * side, 0)};
  for (int i = first * side; i < (first + count) * side; ++i) mask.pixels[static_cast<std::size_t>(i)] = value;
  return mask;
}

struct Folder {
  TemporaryFolder folder;
  std::filesystem::path root = folder / "data";

  Folder() {
    for (const std::string& name : data::class_names()) std::filesystem::create_directories(root / name);
  }
  /// Case "CLASS (n)" showing picture number `picture`.
  void add(const std::string& class_name, int n, int picture, const data::Grey& mask) const {
    const std::string stem = name(class_name, n);
    data::write_png(root / class_name / (stem + ".png"), noise(picture));
    data::write_png(root / class_name / (stem + "_mask.png"), mask);
  }
  static std::string name(const std::string& class_name, int n) { return class_name + " (" + std::to_string(n) + ")"; }

  Json check(std::vector<std::string> more = {}) const {
    const std::string json = (folder / "check.json").string();
    more.insert(more.begin(), {"data", "check", "--data", root.string(), "--json", json});
    const Finished finished = attnunet_run(more);
    expect_success(finished);
    return read_json(json);
  }
};

TEST(DataCheck, CountsAndOddMasks) {
  const Folder set;
  set.add("benign", 1, 1, rows(10, 20));
  set.add("benign", 2, 2, rows(0, 0));           // no lesion
  set.add("malignant", 1, 3, rows(5, 10, 200));  // not black and white
  set.add("normal", 1, 4, rows(0, 0));
  set.add("normal", 2, 5, rows(3, 1));  // a lesion
  data::Grey dot = rows(0, 0);
  dot.pixels[77] = 255;
  set.add("malignant", 2, 6, dot);  // tiny
  data::write_png(set.root / "benign/benign (1)_mask_1.png", rows(40, 2));
  data::write_png(set.root / "benign/lost_mask.png", rows(40, 2));
  const Json found = set.check();
  EXPECT_EQ(found["cases"], 6);
  EXPECT_EQ(found["classes"], (Json{{"benign", 2}, {"malignant", 2}, {"normal", 2}}));
  EXPECT_EQ(found["masks"], 7);
  EXPECT_EQ(found["orphan_masks"], Names{"benign/lost_mask.png"});
  EXPECT_EQ(found["empty_masks"], (Names{"benign (2)", "normal (1)"}));
  EXPECT_EQ(found["empty_masks_not_normal"], Names{"benign (2)"});
  EXPECT_EQ(found["normal_with_lesion"], Names{"normal (2)"});
  EXPECT_EQ(found["tiny_lesions"], Names{"malignant (2)"});
  EXPECT_EQ(found["several_masks"], Names{"benign (1)"});
  EXPECT_EQ(found["masks_not_binary"], Names{"malignant (1)"});
  EXPECT_EQ(found["image_formats"], (Json{{"8-bit grey", 6}}));
  EXPECT_EQ(found["sizes"], (Json{{{"width", side}, {"height", side}, {"cases", 6}}}));
  for (const char* none : {"near_duplicate_groups", "conflicts", "problems", "images_not_grey"})
    EXPECT_EQ(found[none], Json::array()) << none;
  EXPECT_FALSE(found.contains("leakage"));
  EXPECT_EQ(set.check({"--classes", "normal"})["cases"], 2);
}

TEST(DataCheck, ColourTypesAndColouredPixels) {
  const Folder set;
  for (int n = 1; n <= 4; ++n) set.add("benign", n, n, rows(1, 9));
  const auto write = [&](int n, LodePNGColorType type, unsigned depth, std::uint8_t blue) {
    const std::size_t channels = type == LCT_RGBA ? 4 : type == LCT_RGB ? 3 : 1;
    std::vector<std::uint8_t> pixels(side * side * channels * depth / 8, 90);
    if (channels >= 3) pixels[channels * 100 + 2] = blue;
    lodepng::State state;
    state.encoder.auto_convert = 0;
    state.info_raw.colortype = state.info_png.color.colortype = type;
    state.info_raw.bitdepth = state.info_png.color.bitdepth = depth;
    std::vector<std::uint8_t> bytes;
    ASSERT_EQ(lodepng::encode(bytes, pixels, side, side, state), 0u);
    write_text(set.root / "benign" / (Folder::name("benign", n) + ".png"), std::string(bytes.begin(), bytes.end()));
  };
  write(1, LCT_RGB, 8, 91);   // one pixel is blue
  write(2, LCT_RGBA, 8, 90);  // grey in fact
  write(3, LCT_GREY, 16, 0);
  const Json found = set.check();
  EXPECT_EQ(found["images_not_grey"], Names{"benign (1)"});
  EXPECT_EQ(found["image_formats"], (Json{{"8-bit RGB", 1}, {"8-bit RGBA", 1}, {"16-bit grey", 1}, {"8-bit grey", 1}}));
}

TEST(DataCheck, DuplicatesAndTheirConflicts) {
  const Folder set;
  set.add("benign", 1, 1, rows(10, 20));
  set.add("benign", 2, 1, rows(20, 20));     // a twin: 10 of 30 rows in common
  set.add("benign", 3, 2, rows(10, 20));     // agrees with malignant (1) but for its class
  set.add("malignant", 1, 2, rows(12, 20));  // 18 of 22 rows
  set.add("normal", 1, 3, rows(0, 0));
  const Json found = set.check();
  EXPECT_EQ(found["near_duplicate_groups"].get<std::vector<Names>>(),
            (std::vector<Names>{{"benign (1)", "benign (2)"}, {"benign (3)", "malignant (1)"}}));
  ASSERT_EQ(found["conflicts"].size(), 2u);
  const Json &mask = found["conflicts"][0], &other = found["conflicts"][1];
  EXPECT_EQ(mask["kind"], "mask");
  EXPECT_EQ(mask["a"], "benign (1)");
  EXPECT_EQ(mask["b"], "benign (2)");
  EXPECT_NEAR(mask["mask_iou"].get<double>(), 10.0 / 30, 1e-12);
  EXPECT_NEAR(mask["correlation"].get<double>(), 1, 1e-6);
  EXPECT_EQ(other["kind"], "class");
  EXPECT_EQ(other["a"], "benign (3)");
  EXPECT_EQ(other["b"], "malignant (1)");
  EXPECT_NEAR(other["mask_iou"].get<double>(), 18.0 / 22, 1e-12);
}

TEST(DataCheck, OnePairIsOneGroup) {
  const Folder set;
  set.add("benign", 1, 1, rows(10, 20));
  set.add("benign", 2, 1, rows(10, 20));
  const Finished finished = attnunet_run({"data", "check", "--data", set.root.string()});
  expect_success(finished);
  EXPECT_NE(finished.out.find(" 1 group with 2 images, 1 pair\n"), std::string::npos) << finished.out;
}

TEST(DataCheck, LeakageOfLists) {
  const Folder set;
  for (int n = 1; n <= 6; ++n) set.add("benign", n, n <= 2 ? 1 : n, rows(10, 20));
  set.add("benign", 7, 6, rows(10, 20));
  const std::string train = (set.folder / "train.txt").string(), val = (set.folder / "val.txt").string();
  write_text(train, "benign (1)\nbenign (3)\nbenign (4)\n");
  write_text(val, "benign (2)\nbenign (5)\nbenign (6)\nbenign (7)\n");  // 6 and 7 are twins on one side
  const std::vector<std::string> lists = {"--train-list", train, "--val-list", val};
  EXPECT_EQ(set.check(lists)["leakage"],
            (Json{{"training_cases", 3}, {"validation_cases", 4}, {"with_twin", 1}, {"with_twin_0.98", 1}}));
  EXPECT_EQ(set.check({"--split", "grouped"})["leakage"]["with_twin"], 0);
  write_text(val, "benign (20)\n");
  const Json found = set.check(lists);
  EXPECT_FALSE(found.contains("leakage"));
  ASSERT_EQ(found["problems"].size(), 1u);
  EXPECT_NE(found["problems"][0].get<std::string>().find("no case 'benign (20)'"), std::string::npos);
  expect_failure(attnunet_run({"data", "check", "--data", set.root.string(), "--train-list", train}), 2,
                 {"--val-list"});
}

TEST(DataCheck, BadFilesAreFindings) {
  const Folder set;
  set.add("benign", 1, 1, rows(10, 20));
  set.add("benign", 2, 2, rows(10, 20));
  set.add("benign", 3, 3, data::Grey{2, 1, {0, 255}});
  set.add("benign", 4, 1, rows(10, 20));
  write_text(set.root / "benign/benign (2).png", "no image");
  data::write_png(set.root / "benign/benign (5).png", noise(5));  // no mask
  std::filesystem::create_directory(set.root / "benign/folder.png");
  const Json found = set.check();
  EXPECT_EQ(found["cases"], 4);
  EXPECT_EQ(found["near_duplicate_groups"].get<std::vector<Names>>(),
            std::vector<Names>(1, {"benign (1)", "benign (4)"}));
  std::string problems;
  ASSERT_EQ(found["problems"].size(), 4u);
  for (const auto& problem : found["problems"]) problems += problem.get<std::string>() + "\n";
  for (const char* part : {"folder.png' is a folder", "benign (5).png' has no mask",
                           "benign (2).png' is neither PNG nor JPEG", "benign (3)_mask.png' has 2 x 1"})
    EXPECT_NE(problems.find(part), std::string::npos) << part << " is not in:\n" << problems;
}

TEST(DataCheck, ContactSheetMarksConflictsAndNeedsNoNetwork) {
  const Folder set;
  set.add("benign", 1, 1, rows(10, 20));
  set.add("benign", 2, 1, rows(10, 20));
  set.add("benign", 3, 2, rows(10, 20));
  set.add("malignant", 1, 2, rows(10, 20));
  const std::string html = (set.folder / "sheet.html").string();
  set.check({"--html", html});
  const std::string page = read_text(html);
  const auto place = [&](const std::string& text) { return page.find(text); };
  ASSERT_NE(place("two classes, benign and malignant"), std::string::npos);
  EXPECT_LT(place("benign (3)</b>"), place("benign (1)</b>"));  // what contradicts itself comes first
  std::size_t pictures = 0;
  for (std::size_t at = 0; (at = page.find("data:image/png;base64,", at)) != std::string::npos; ++at) ++pictures;
  EXPECT_EQ(pictures, 4u);
  for (const char* outside : {"http://", "https://", "src=\"/", "@import"})
    EXPECT_EQ(place(outside), std::string::npos);
}

TEST(DataCheck, NoDatasetIsAnError) {
  const TemporaryFolder folder;
  expect_failure(attnunet_run({"data", "check", "--data", (folder / "x").string()}), 1, {"no dataset"});
  ProcessOptions here;
  here.folder = folder.path().string();
  expect_failure(attnunet_run({"data", "check"}, here), 1, {"tools/get_busi.sh"});
}

TEST(DataCheck, Busi) {
  const auto root = shared_data() / "busi-256", lists = shared_data() / "splits";
  ATTNUNET_SKIP_WITHOUT(root);
  ATTNUNET_SKIP_WITHOUT(lists);
  const TemporaryFolder folder;
  const std::string json = (folder / "check.json").string();
  expect_success(
      attnunet_run({"data", "check", "--data", root.string(), "--json", json, "--train-list",
                    (lists / "busi_train1.txt").string(), "--val-list", (lists / "busi_val1.txt").string()}));
  const Json found = read_json(json);
  EXPECT_EQ(found["cases"], 780);
  EXPECT_EQ(found["classes"], (Json{{"benign", 437}, {"malignant", 210}, {"normal", 133}}));
  EXPECT_EQ(found["masks"], 798);
  EXPECT_EQ(found["empty_masks"].size(), 133u);
  EXPECT_EQ(found["empty_masks_not_normal"], Json::array());
  EXPECT_EQ(found["tiny_lesions"].size(), 61u);
  EXPECT_EQ(found["several_masks"].size(), 17u);
  EXPECT_EQ(found["problems"], Json::array());
  EXPECT_EQ(found["near_duplicate_groups"].size(), 130u);
  std::size_t images = 0;
  for (const auto& group : found["near_duplicate_groups"]) images += group.size();
  EXPECT_EQ(images, 298u);
  const auto has_class_conflict = [&](const char* a, const char* b) {
    for (const auto& one : found["conflicts"])
      if (one["a"] == a && one["b"] == b && one["kind"] == "class") return true;
    return false;
  };
  EXPECT_TRUE(has_class_conflict("benign (433)", "malignant (145)"));
  EXPECT_TRUE(has_class_conflict("benign (269)", "normal (1)"));
  EXPECT_EQ(found["leakage"]["validation_cases"], 195);
  EXPECT_EQ(found["leakage"]["with_twin"], 43);
}

}  // namespace TEST_FILE
}  // namespace attnunet
