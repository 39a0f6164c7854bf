// EXIF orientation in datasets: image and mask each follow their own.
#include <gtest/gtest.h>

#include "common/core/error.h"
#include "common/data/check.h"
#include "common/data/sample.h"
#include "common/data/survey.h"
#include "common/train/train_config.h"
#include "support/files.h"
#include "support/jpeg_writer.h"
#include "support/predict.h"

namespace attnunet::data {
namespace TEST_FILE {

/// A case of 4 x 2 stored pixels: a JPEG image, dark but for one pixel, and a mask as PNG or JPEG.
Case make_case(const TemporaryFolder& folder, int image_orientation, int mask_orientation) {
  std::vector<unsigned char> pixels(4 * 2, 0);
  std::filesystem::create_directory(folder / "benign");
  const auto exif = [](int orientation) { return orientation == 1 ? std::string() : exif_block(orientation); };
  write_text(folder / "benign/a.jpg", jpeg_bytes(4, 2, 1, pixels, {}, exif(image_orientation)));
  pixels[0] = pixels[1] = 255;
  write_text(folder / "benign/a_mask.jpg", jpeg_bytes(4, 2, 1, pixels, {}, exif(mask_orientation)));
  Case one;
  one.name = "a";
  one.class_name = "benign";
  one.image = folder / "benign/a.jpg";
  one.masks = {folder / "benign/a_mask.jpg"};
  return one;
}

TEST(Orientation, ImageAndMaskFollowTheirOwn) {
  const TemporaryFolder folder;
  const Sample sample = load_full(make_case(folder, 6, 8));
  EXPECT_EQ(sample.image.width, 2);
  EXPECT_EQ(sample.image.height, 4);
  // Stored row 0 is the left column, stored column 0 at its lower end.
  EXPECT_EQ(sample.mask.pixels, (std::vector<std::uint8_t>{0, 0, 0, 0, 1, 0, 1, 0}));
}

TEST(Orientation, WhereSizesAgreeOnlyAsStoredTheErrorNamesTheOption) {
  const TemporaryFolder folder;
  Case one = make_case(folder, 6, 1);
  const std::string message = message_of<Error>([&] { load_full(one); });
  EXPECT_NE(message.find("4 x 2 pixels but its image"), std::string::npos) << message;
  EXPECT_NE(message.find("--ignore-orientation"), std::string::npos) << message;
  EXPECT_EQ(check(folder.path()).problems.size(), 1u);
  one.reading.files.ignore_orientation = true;
  EXPECT_EQ(load_full(one).mask.pixels, (std::vector<std::uint8_t>{1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_TRUE(check(folder.path(), {}, one.reading).problems.empty());
}

TEST(Orientation, TheCommandsTakeTheOption) {
  const TemporaryFolder folder;
  make_case(folder, 6, 1);
  const std::string data = folder.path().string();
  EXPECT_NE(attnunet_run({"data", "check", "--data", data}).out.find("--ignore-orientation"), std::string::npos);
  EXPECT_EQ(attnunet_run({"data", "check", "--data", data, "--ignore-orientation"}).out.find("EXIF"),
            std::string::npos);
  for (const char* command : {"train", "evaluate", "predict", "audit"})
    EXPECT_NE(attnunet_run({command, "--help"}).out.find("--ignore-orientation"), std::string::npos) << command;
}

TEST_F(Predict, ResultsHaveTheOrientationThatAViewerShows) {
  const Grey image = make_phantom("benign", 37, 51, 7, 0).image;
  write_text(std::filesystem::path(images) / "a.jpg", jpeg_bytes(37, 51, 1, image.pixels, {}, exif_block(6)));
  expect_success(predict({images}));
  EXPECT_EQ(result("a_mask.png").width, 51);
  EXPECT_EQ(result("a_mask.png").height, 37);
  expect_success(predict({images, "--ignore-orientation"}));
  EXPECT_EQ(result("a_mask.png").width, 37);
}

TEST(Orientation, ACheckpointStatesItIfItIsIgnored) {
  TrainConfig config;
  EXPECT_EQ(deciding_json(config).find("orientation"), std::string::npos);
  config.reading.files.ignore_orientation = true;
  EXPECT_TRUE(parse_deciding_json(deciding_json(config)).reading.files.ignore_orientation);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
