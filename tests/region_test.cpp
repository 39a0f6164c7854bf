// The region of the picture that a DICOM file names: training, evaluation and data check see it alone, as predict does
// (tests/predict_dicom_test.cpp).
#include <gtest/gtest.h>

#include <algorithm>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/check.h"
#include "common/data/convert.h"
#include "common/data/fingerprint.h"
#include "common/data/phantom.h"
#include "common/data/sample.h"
#include "common/data/survey.h"
#include "support/command_line.h"
#include "support/dicom.h"
#include "support/json.h"

namespace attnunet::data {
namespace TEST_FILE {

namespace fs = std::filesystem;

constexpr int left = 5, top = 3, right = 9, bottom = 7;  // margins around the picture

/// The picture with a user interface around it.
Grey framed(const Grey& picture, std::uint8_t around) {
  Grey frame{left + picture.width + right, top + picture.height + bottom, {}};
  for (int y = 0; y < frame.height; ++y)
    for (int x = 0; x < frame.width; ++x) {
      const bool inside = x >= left && x < left + picture.width && y >= top && y < top + picture.height;
      frame.pixels.push_back(inside ? picture.pixels[static_cast<std::size_t>((y - top) * picture.width + x - left)]
                                    : around);
    }
  return frame;
}

void write_dicom(const fs::path& path, const Grey& picture) {
  const Grey frame = framed(picture, 255);
  DicomItem dataset = dicom_image(frame.width, frame.height, {frame.pixels.begin(), frame.pixels.end()});
  dataset.sequence(regions_tag, {dicom_region(left, top, static_cast<unsigned>(left + picture.width - 1),
                                              static_cast<unsigned>(top + picture.height - 1), 0.02, 0.03)});
  write_text(path, dicom_file(dataset));
}

/// 0 and 1 as 0 and 255.
Grey in_white(Grey mask) {
  for (std::uint8_t& pixel : mask.pixels) pixel = pixel != 0 ? 255 : 0;
  return mask;
}

struct RegionOfCase : testing::Test {
  const TemporaryFolder folder;
  const Sample phantom = make_phantom("benign", 37, 33, 7, 0);
  Case one;

  void SetUp() override {
    ATTNUNET_SKIP_WITHOUT_DICOM()
    fs::create_directory(folder / "benign");
    one.name = "a";
    one.class_name = "benign";
    one.image = folder / "benign/a.dcm";
    one.masks = {folder / "benign/a_mask.png"};
    write_dicom(one.image, phantom.image);
  }
  void expect_the_picture() const {
    const Sample sample = load_full(one);
    EXPECT_EQ(sample.image.width, phantom.image.width);
    EXPECT_EQ(sample.image.pixels, phantom.image.pixels);
    EXPECT_EQ(sample.mask.pixels, phantom.mask.pixels);
    const CheckResult checked = check(folder.path());
    ASSERT_EQ(checked.facts.size(), 1u);
    EXPECT_TRUE(checked.problems.empty());
    EXPECT_EQ(checked.facts[0].format, "DICOM, 8-bit grey (a region of the frame)");
    EXPECT_EQ(checked.facts[0].width, phantom.image.width);
    EXPECT_EQ(checked.facts[0].height, phantom.image.height);
    EXPECT_TRUE(survey(scan(folder.path()), {0}, 1).problems.empty());
  }
};

TEST_F(RegionOfCase, AMaskOfTheWholeFrameIsCroppedLikeTheImage) {
  // What is marked outside of the region does not count.
  write_png(one.masks[0], framed(in_white(phantom.mask), 255));
  expect_the_picture();
}

TEST_F(RegionOfCase, AMaskOfTheRegionIsTakenAsItIs) {
  write_png(one.masks[0], in_white(phantom.mask));
  expect_the_picture();
}

TEST_F(RegionOfCase, AnyOtherMaskIsRefused) {
  write_png(one.masks[0], Grey{2, 2, {0, 0, 0, 0}});
  const std::string message = message_of<Error>([&] { load_full(one); });
  for (const std::string& part : {quoted(one.masks[0]), std::string("has 2 x 2 pixels"), quoted(one.image),
                                  std::string("has 51 x 43"), std::string("the region of the picture in it 37 x 33")})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(survey(scan(folder.path()), {0}, 1).problems, (std::vector<std::string>{message}));
  EXPECT_EQ(check(folder.path()).problems, (std::vector<std::string>{message}));
}

TEST_F(RegionOfCase, TheFingerprintIsThatOfThePicture) {
  write_png(one.masks[0], in_white(phantom.mask));
  const Dataset dataset = scan(folder.path());
  Fingerprints prints(dataset);
  EXPECT_EQ(prints.at(0).hash, fingerprint_of(phantom.image).hash);
}

TEST_F(RegionOfCase, IsKeptByEveryLayout) {
  for (const char* name : {"benign/a.dcm", "benign/a"}) {  // the second one becomes a PNG file of the picture
    SCOPED_TRACE(name);
    fs::rename(one.image, folder / name);
    one.image = folder / name;
    write_png(one.masks[0], framed(in_white(phantom.mask), 0));
    for (const TargetLayout layout : {TargetLayout::busi, TargetLayout::pairs, TargetLayout::nnunet}) {
      const TemporaryFolder converted;
      ASSERT_TRUE(convert(scan(folder.path()), layout, converted / "set").has_value());
      const Dataset dataset = scan(converted / "set");
      ASSERT_EQ(dataset.cases.size(), 1u);
      const Sample sample = load_full(dataset.cases[0]);
      EXPECT_EQ(sample.image.pixels, phantom.image.pixels);
      EXPECT_EQ(sample.mask.pixels, phantom.mask.pixels);
    }
  }
}

TEST(RegionOfCases, ATrainingOnFramesIsThatOnTheirPictures) {
  ATTNUNET_SKIP_WITHOUT_DICOM()
  const PhantomFolder phantoms;
  const fs::path frames = phantoms / "frames";
  for (const Case& one : scan(phantoms.data).cases) {
    const Sample sample = load_full(one);
    fs::create_directories(frames / one.class_name);
    write_dicom(frames / one.class_name / (one.name + ".dcm"), sample.image);
    write_png(frames / one.class_name / (one.name + "_mask.png"), framed(in_white(sample.mask), 0));
  }
  std::vector<std::string> train = phantoms.train(phantoms / "frames-run", {"--panels", "1"});
  std::replace(train.begin(), train.end(), phantoms.data, frames.string());
  expect_success(attnunet_run(train));
  expect_success(attnunet_run(phantoms.train(phantoms / "pictures-run")));
  const std::string checkpoint = phantoms / "frames-run/last.safetensors";
  EXPECT_TRUE(read_text(checkpoint) == read_text(phantoms / "pictures-run/last.safetensors"));
  // The cases are recognised in both datasets.
  for (const std::string& data : {frames.string(), phantoms.data}) {
    const Finished evaluated = attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", data, "--threads", "1",
                                             "--json", phantoms / "of.json", "--subset", "all"});
    expect_success(evaluated);
    EXPECT_EQ(read_json(phantoms / "of.json")["cases"], 20);
    EXPECT_EQ(read_json(phantoms / "of.json")["missing"], 0);
    EXPECT_GT(read_json(phantoms / "of.json")["trained_on"], 0);
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
