#include "common/data/fingerprint.h"

#include "common/core/error.h"
#include "common/data/phantom.h"
#include "common/data/survey.h"
#include "support/files.h"
#include "support/jpeg_writer.h"
#include "support/png_reader.h"

namespace attnunet::data {
namespace TEST_FILE {

TEST(Fingerprint, IsOfSizeAndPixels) {
  const Grey image{3, 2, {1, 2, 3, 4, 5, 6}};
  const std::string hash = fingerprint_of(image).hash;
  EXPECT_EQ(hash.size(), 16u);
  EXPECT_EQ(hash, fingerprint_of(image).hash);
  EXPECT_NE(hash, fingerprint_of(Grey{2, 3, image.pixels}).hash);
  EXPECT_NE(hash, fingerprint_of(Grey{6, 1, image.pixels}).hash);
  EXPECT_NE(hash, fingerprint_of(Grey{3, 2, {1, 2, 3, 4, 5, 7}}).hash);
  EXPECT_NE(hash, fingerprint_of(Grey{3, 2, {2, 1, 3, 4, 5, 6}}).hash);
  EXPECT_EQ(fingerprint_of(image).thumbnail.pixels.size(), std::size_t{thumbnail_size} * thumbnail_size);
}

TEST(Fingerprint, IsOfTheImageNotOfItsFile) {
  const TemporaryFolder folder;
  synthesize(folder / "set", 6, 24, 5);
  const Dataset dataset = scan(folder / "set");
  Fingerprints prints(dataset);
  const std::string hash = prints.at(0).hash;
  const Grey image = read_luma(dataset.cases[0].image);
  Rgb coloured{image.width, image.height, {}};
  for (const std::uint8_t pixel : image.pixels) coloured.pixels.insert(coloured.pixels.end(), 3, pixel);
  write_png(dataset.cases[1].image, coloured);
  EXPECT_EQ(prints.at(1).hash, hash);
  // Read once.
  std::filesystem::remove(dataset.cases[0].image);
  EXPECT_EQ(prints.at(0).hash, hash);
}

TEST(Fingerprint, IsTakenFromTheFilesThatASurveyReads) {
  const TemporaryFolder folder;
  synthesize(folder / "set", 6, 24, 5);
  Dataset dataset = scan(folder / "set");
  const Grey image = read_luma(dataset.cases[0].image);
  // Turned by its EXIF tag, and read as it is stored: the fingerprint is of what a viewer shows.
  write_text(dataset.cases[0].image, jpeg_bytes(image.width, image.height, 1, image.pixels, {}, exif_block(6)));
  write_png(dataset.cases[0].masks[0], Grey{image.width, image.height, std::vector<std::uint8_t>(image.pixels.size())});
  // And the range of intensities is that of the file, whatever is trained with.
  for (Case& one : dataset.cases) {
    one.reading.files.ignore_orientation = true;
    one.reading.intensity.rule = IntensityRule::minmax;
  }
  Fingerprints prints(dataset), taken(dataset);
  prints.read({0, 1, 2, 3});
  ASSERT_TRUE(survey(dataset, {0, 1, 2, 3}, 2, CheckDepth::full, &taken).problems.empty());
  for (const std::size_t one : {0, 1, 2, 3}) std::filesystem::remove(dataset.cases[one].image);
  for (const std::size_t one : {0, 1, 2, 3}) {
    EXPECT_EQ(taken.at(one).hash, prints.at(one).hash);
    EXPECT_EQ(taken.at(one).thumbnail.pixels, prints.at(one).thumbnail.pixels);
  }
}

TEST(Fingerprint, AnUnreadableImageStopsNoOther) {
  const TemporaryFolder folder;
  synthesize(folder / "set", 6, 24, 5);
  const Dataset dataset = scan(folder / "set");
  write_text(dataset.cases[2].image, "none");
  Fingerprints prints(dataset);
  prints.read({0, 1, 2, 3});
  EXPECT_TRUE(prints.readable(1));
  EXPECT_FALSE(prints.readable(2));
  EXPECT_NE(message_of<Error>([&] { prints.at(2); }).find(dataset.cases[2].image.filename().string()),
            std::string::npos);
  EXPECT_EQ(prints.thumbnails({5, 0}).size(), 2u);
  message_of<Error>([&] { prints.thumbnails(); });
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
