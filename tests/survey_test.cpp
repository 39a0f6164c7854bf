// Every file is looked at before the work, and all bad ones are told together.
#include "common/data/survey.h"

#include <sys/stat.h>

#include <numeric>

#include "common/data/png.h"
#include "support/files.h"
#include "support/jpeg_writer.h"
#include "support/png_kinds.h"

namespace attnunet::data {
namespace TEST_FILE {

namespace fs = std::filesystem;

class SurveyTest : public ::testing::Test {
 protected:
  TemporaryFolder folder;

  SurveyTest() {
    for (const char* name : {"benign/a", "benign/b", "malignant/c", "normal/d"}) {
      const std::uint8_t lesion = name[0] == 'n' ? 0 : 255;
      put(std::string(name) + ".png", Grey{4, 2, {1, 2, 3, 4, 5, 6, 7, 8}});
      put(std::string(name) + "_mask.png", Grey{4, 2, {0, 0, lesion, lesion, 0, 0, 0, 0}});
    }
  }
  void put(const std::string& name, const Grey& image) const {
    fs::create_directories((folder / name).parent_path());
    write_png(folder / name, image);
  }
  /// Changes a byte of the pixels: the file keeps its header and its end.
  void damage(const std::string& name) const {
    std::string bytes = read_text(folder / name);
    bytes[bytes.find("IDAT") + 8] ^= 0x55;
    write_text(folder / name, bytes);
  }
  void truncate(const std::string& name) const {
    const std::string bytes = read_text(folder / name);
    write_text(folder / name, bytes.substr(0, bytes.size() - 20));
  }
  Survey look(std::optional<CheckDepth> depth = std::nullopt, const std::string& rule = "auto") const {
    Dataset dataset = scan(folder.path());
    for (Case& one : dataset.cases) one.reading.mask_rule = parse_mask_rule(rule);
    std::vector<std::size_t> cases(dataset.cases.size());
    std::iota(cases.begin(), cases.end(), std::size_t{0});
    return survey(dataset, cases, 2, depth);
  }
  void expect_problems(const Survey& survey, const std::vector<std::string>& files) const {
    ASSERT_EQ(survey.problems.size(), files.size());
    for (std::size_t i = 0; i < files.size(); ++i)
      EXPECT_NE(survey.problems[i].find((folder / files[i]).string()), std::string::npos) << survey.problems[i];
  }
};

TEST_F(SurveyTest, WholeFilesHaveNoProblems) {
  const Survey all = look();
  EXPECT_EQ(all.depth, CheckDepth::full) << "eight small files take no seconds";
  EXPECT_TRUE(all.problems.empty());
  EXPECT_EQ(all.files, 8u);
  EXPECT_EQ(all.masks, 4u);
  EXPECT_EQ(all.read, (std::map<MaskReading, std::size_t>{{MaskReading::luma, 3}, {MaskReading::empty, 1}}));
  EXPECT_EQ(mask_readings_text(all.read), "");
  EXPECT_TRUE(classes_without_lesion(all.classes).empty());
}

TEST_F(SurveyTest, AllBadFilesAreListedInCaseOrder) {
  truncate("normal/d_mask.png");
  damage("benign/b_mask.png");
  write_text(folder / "benign/b.png", "");
  put("malignant/c_mask.png", Grey{2, 2, {0, 0, 0, 0}});
  put("benign/a_mask_1.png", Grey{4, 2, {10, 20, 30, 40, 50, 60, 70, 80}});
  expect_problems(look(CheckDepth::full), {"benign/a_mask_1.png", "benign/b.png", "benign/b_mask.png",
                                           "malignant/c_mask.png", "normal/d_mask.png"});
}

TEST_F(SurveyTest, HeadersFindFilesThatAreNotWholeOrDoNotFit) {
  put("malignant/e.png", Grey{4, 2, {1, 2, 3, 4, 5, 6, 7, 8}});
  put("malignant/e_mask.png", Grey{2, 2, {0, 0, 0, 0}});
  truncate("normal/d_mask.png");
  damage("benign/b_mask.png");  // which headers cannot tell
  const Survey headers = look(CheckDepth::headers);
  expect_problems(headers, {"malignant/e_mask.png", "normal/d_mask.png"});
  EXPECT_EQ(headers.files, 10u);
  EXPECT_LT(headers.masks, 4u);
}

TEST_F(SurveyTest, ClassesThatShouldHaveLesionsAreNamed) {
  for (const char* name : {"benign/a_mask.png", "benign/b_mask.png"}) put(name, Grey{4, 2, {0, 0, 0, 0, 0, 0, 0, 0}});
  for (const CheckDepth depth : {CheckDepth::full, CheckDepth::headers})
    EXPECT_EQ(classes_without_lesion(look(depth).classes), std::vector<std::string>{"benign"});
  put("benign/b_mask_1.png", Grey{4, 2, {0, 0, 0, 1, 0, 0, 0, 0}});
  for (const CheckDepth depth : {CheckDepth::full, CheckDepth::headers}) {
    EXPECT_TRUE(classes_without_lesion(look(depth).classes).empty());
    EXPECT_EQ(classes_without_lesion(look(depth, "above:127").classes), std::vector<std::string>{"benign"});
  }
  EXPECT_EQ(mask_readings_text(look().read), "1 by luma, 1 by nonzero label, 3 empty");
}

TEST_F(SurveyTest, ClassesNamedAsWithoutLesionMayHaveNone) {
  for (const char* name :
       {"normal", "NORMAL", "Healthy", "negative", "No_Lesion", "no-lesion", "background", "set/Normal"})
    EXPECT_TRUE(is_named_without_lesion(name)) << name;
  for (const char* name : {"", "benign", "abnormal", "normal variant", "x"})
    EXPECT_FALSE(is_named_without_lesion(name)) << name;
  const std::map<std::string, ClassLesions> classes{{"Normal", {3, 0}}, {"cysts", {3, 0}}, {"tumours", {3, 1}}};
  EXPECT_EQ(classes_without_lesion(classes), std::vector<std::string>{"cysts"});
}

// As they are stored, image and mask are of one size.
TEST_F(SurveyTest, HeadersDoNotSufficeForTurnedFiles) {
  const std::string contents = exif_block(6);
  std::string chunk = std::string("\0\0\0", 3) + static_cast<char>(contents.size()) + "eXIf" + contents + "sum.";
  lodepng_chunk_generate_crc(reinterpret_cast<unsigned char*>(chunk.data()));
  const std::string whole = read_text(folder / "benign/b.png");
  for (const std::size_t at : {std::size_t{33}, whole.size() - 12}) {
    write_text(folder / "benign/b.png", std::string(whole).insert(at, chunk));
    expect_problems(look(CheckDepth::headers), {"benign/b_mask.png"});
  }
}

TEST_F(SurveyTest, NamedPipesAreNotOpened) {
  fs::remove(folder / "benign/b.png");
  ASSERT_EQ(mkfifo((folder / "benign/b.png").c_str(), 0600), 0);
  for (const CheckDepth depth : {CheckDepth::headers, CheckDepth::full}) {
    const Survey found = look(depth);
    expect_problems(found, {"benign/b.png"});
    EXPECT_NE(found.problems[0].find("not a regular file"), std::string::npos) << found.problems[0];
  }
}

TEST_F(SurveyTest, LargestValuesOfDeepImages) {
  write_png_kind(folder / "benign/b.png", big_endian({0, 1, 2, 3000, 4, 5, 6, 7}), 4, 2, LCT_GREY, 16);
  write_png_kind(folder / "malignant/c.png", big_endian({0, 1, 2, 3001, 4, 5, 6, 7}), 4, 2, LCT_GREY, 16, {}, 12);
  for (const CheckDepth depth : {CheckDepth::full, CheckDepth::headers})
    EXPECT_EQ(look(depth).largest, (std::vector<int>{0, 3000, 0, 0}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
