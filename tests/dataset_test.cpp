#include <algorithm>
#include <map>

#include "common/core/error.h"
#include "common/data/resize.h"
#include "common/data/sample.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Pixels = std::vector<std::uint8_t>;

void put(const std::filesystem::path& path, int width, int height, const Pixels& pixels) {
  std::filesystem::create_directories(path.parent_path());
  write_png(path, Grey{width, height, pixels});
}

std::string scan_error(const std::filesystem::path& root, const std::vector<std::string>& classes = {}) {
  return message_of<Error>([&] { scan(root, classes); });
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Busi, CaseOrderIsBytewise) {
  const TemporaryFolder root;
  for (const char* name : {"benign (2)", "benign (10)", "benign (1)", "Z", "a"})
    for (const char* ending : {".png", "_mask.png"}) put(root / ("benign/" + (name + std::string(ending))), 1, 1, {0});
  for (const char* ending : {".png", "_mask.png"}) put(root / ("malignant/A" + std::string(ending)), 1, 1, {0});
  write_text(root / "benign/notes.txt", "no image");
  std::vector<std::string> names;
  for (const Case& one : scan(root.path()).cases) names.push_back(one.class_name + "/" + one.name);
  EXPECT_EQ(names, (std::vector<std::string>{"benign/Z", "benign/a", "benign/benign (1)", "benign/benign (10)",
                                             "benign/benign (2)", "malignant/A"}));
  EXPECT_EQ(scan(root.path(), {"malignant"}).cases.size(), 1u);
}

TEST(Busi, MaskIsTheUnionOfAllMasksAbove127) {
  const TemporaryFolder root;
  put(root / "benign/a.png", 4, 1, {9, 8, 7, 6});
  put(root / "benign/a_mask.png", 4, 1, {0, 127, 128, 0});
  put(root / "benign/a_mask_1.png", 4, 1, {0, 0, 0, 255});
  put(root / "benign/b_mask_2.png", 4, 1, {0, 0, 0, 255});
  const Dataset dataset = scan(root.path());
  ASSERT_EQ(dataset.cases.size(), 1u);
  EXPECT_EQ(dataset.cases[0].masks.size(), 2u);
  EXPECT_EQ(dataset.orphan_masks, std::vector<std::filesystem::path>{root / "benign/b_mask_2.png"});
  const Sample sample = load_full(dataset.cases[0]);
  EXPECT_EQ(sample.mask.pixels, (Pixels{0, 0, 1, 1}));
  EXPECT_EQ(sample.image.pixels, (Pixels{9, 8, 7, 6}));
  EXPECT_EQ(load(dataset.cases[0], 2).mask.pixels, (Pixels{0, 1, 0, 1}));
}

TEST(Busi, BadDatasetsAreNamed) {
  const TemporaryFolder root;
  EXPECT_TRUE(contains(scan_error(root / "missing"), (root / "missing").string()));
  EXPECT_TRUE(contains(scan_error(root.path()), "holds no case"));
  write_text(root / "file", "x");
  EXPECT_TRUE(contains(scan_error(root / "file"), "is a file"));

  put(root / "benign/a.png", 2, 2, {0, 0, 0, 0});
  const std::string unmasked = scan_error(root.path());
  EXPECT_TRUE(contains(unmasked, (root / "benign/a.png").string())) << unmasked;
  EXPECT_TRUE(contains(unmasked, (root / "benign/a_mask.png").string())) << unmasked;

  EXPECT_TRUE(contains(scan_error(root.path(), {"malignant"}), "no class 'malignant'; choose --classes from benign"));
  EXPECT_THROW(scan(root.path(), {"bening"}), UsageError);

  put(root / "benign/a_mask.png", 2, 1, {0, 0});
  const std::string sizes = message_of<Error>([&] { load_full(scan(root.path()).cases[0]); });
  EXPECT_TRUE(contains(sizes, (root / "benign/a.png").string())) << sizes;
  EXPECT_TRUE(contains(sizes, (root / "benign/a_mask.png").string())) << sizes;

  std::filesystem::create_directory(root / "benign/b.png");
  EXPECT_TRUE(contains(scan_error(root.path()), (root / "benign/b.png").string()));
}

TEST(Busi, AllOfBusi) {
  const auto root = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(root);
  const Dataset dataset = scan(root);
  std::map<std::string, int> classes;
  std::size_t masks = 0;
  for (const Case& one : dataset.cases) {
    ++classes[one.class_name];
    masks += one.masks.size();
  }
  EXPECT_EQ(classes, (std::map<std::string, int>{{"benign", 437}, {"malignant", 210}, {"normal", 133}}));
  EXPECT_EQ(masks, 798u);
  EXPECT_TRUE(dataset.orphan_masks.empty());
  const auto place = [&](const std::string& name) {
    return std::find_if(dataset.cases.begin(), dataset.cases.end(), [&](const Case& one) { return one.name == name; });
  };
  EXPECT_LT(place("benign (10)"), place("benign (2)"));
  EXPECT_EQ(place("benign (195)")->masks.size(), 3u);
}

// busi-256 was made from the files as distributed by luma and Pillow's BILINEAR; its masks one by one by nearest
// pixels.
TEST(Busi, OriginalsResizeToBusi256) {
  const auto originals = shared_data() / "busi-original-sample", resized = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(originals);
  ATTNUNET_SKIP_WITHOUT(resized);
  const Dataset dataset = scan(originals);
  EXPECT_EQ(dataset.cases.size(), 16u);
  for (const Case& one : dataset.cases) {
    Case small = one;
    small.image = resized / one.class_name / one.image.filename();
    for (auto& mask : small.masks) mask = resized / one.class_name / mask.filename();
    const Sample expected = load_full(small), actual = load(one, 256);
    EXPECT_EQ(actual.image.pixels, expected.image.pixels) << one.name;
    EXPECT_EQ(actual.mask.pixels, expected.mask.pixels) << one.name;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
