#include "common/data/phantom.h"

#include <cmath>
#include <map>

#include "common/core/error.h"
#include "common/data/fingerprint.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

double share(const Grey& mask) {
  double sum = 0;
  for (const std::uint8_t pixel : mask.pixels) sum += pixel;
  return sum / static_cast<double>(mask.pixels.size());
}

/// Mean of the image where the mask is `value`, at the lesion's own depths only (rows that hold some of it).
double mean_level(const Sample& sample, std::uint8_t value) {
  double sum = 0, count = 0;
  const auto width = static_cast<std::size_t>(sample.image.width);
  for (std::size_t row = 0; row < sample.mask.pixels.size(); row += width) {
    bool has_lesion = false;
    for (std::size_t x = 0; x < width; ++x) has_lesion |= sample.mask.pixels[row + x] == 1;
    for (std::size_t x = 0; x < width && has_lesion; ++x)
      if (sample.mask.pixels[row + x] == value) {
        sum += sample.image.pixels[row + x];
        ++count;
      }
  }
  return sum / count;
}

TEST(Phantom, LesionsAreDarkAndOfTheStatedSize) {
  for (const char* class_name : {"benign", "malignant"})
    for (std::uint32_t index = 0; index < 25; ++index) {
      const Sample sample = make_phantom(class_name, 96, 90, 3, index);
      ASSERT_EQ(sample.image.pixels.size(), 96u * 90u);
      ASSERT_EQ(sample.mask.pixels.size(), 96u * 90u);
      EXPECT_GT(share(sample.mask), 0.03) << class_name << index;
      EXPECT_LT(share(sample.mask), 0.22) << class_name << index;
      EXPECT_LT(mean_level(sample, 1) + 20, mean_level(sample, 0)) << class_name << index;
    }
  for (std::uint32_t index = 0; index < 10; ++index) EXPECT_EQ(share(make_phantom("normal", 96, 90, 3, index).mask), 0);
}

TEST(Phantom, SameArgumentsGiveTheSamePicture) {
  const auto pixels = [](const char* class_name, std::uint64_t seed, std::uint32_t index) {
    return make_phantom(class_name, 40, 32, seed, index).image.pixels;
  };
  EXPECT_EQ(pixels("benign", 1, 2), pixels("benign", 1, 2));
  EXPECT_NE(pixels("benign", 1, 2), pixels("benign", 2, 2));
  EXPECT_NE(pixels("benign", 1, 2), pixels("benign", 1, 3));
  EXPECT_NE(pixels("benign", 1, 2), pixels("malignant", 1, 2));
}

TEST(Phantom, SetHasBusisLayoutAndProportions) {
  const TemporaryFolder folder;
  synthesize(folder / "set", 78, 48, 5);
  EXPECT_FALSE(std::filesystem::exists(folder / "set.tmp"));
  const Dataset dataset = scan(folder / "set");
  std::map<std::string, int> classes;
  bool second_mask = false, sizes_differ = false;
  for (const Case& one : dataset.cases) {
    ++classes[one.class_name];
    const Sample sample = load_full(one);
    EXPECT_EQ(share(sample.mask) == 0, one.class_name == "normal") << one.name;
    EXPECT_LE(std::abs(sample.image.width - 48), 6);
    EXPECT_LE(std::abs(sample.image.height - 48), 6);
    sizes_differ |= sample.image.width != load_full(dataset.cases[0]).image.width;
    second_mask |= one.masks.size() > 1;
  }
  EXPECT_EQ(classes, (std::map<std::string, int>{{"benign", 44}, {"malignant", 21}, {"normal", 13}}));
  EXPECT_TRUE(second_mask);
  EXPECT_TRUE(sizes_differ);
  // Pictures of their own: a grouped split must be able to part them.
  EXPECT_TRUE(near_duplicate_groups(Fingerprints(dataset).thumbnails(), near_duplicate_threshold).empty());
}

TEST(Phantom, SetIsTheSameForTheSameSeed) {
  const TemporaryFolder folder;
  for (const char* name : {"a", "b"}) synthesize(folder / name, 6, 24, 5);
  for (const Case& one : scan(folder / "a").cases)
    EXPECT_EQ(read_text(one.image), read_text(folder / "b" / one.class_name / one.image.filename())) << one.name;
}

TEST(Phantom, NothingIsOverwritten) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "set");
  write_text(folder / "set/mine.txt", "keep");
  EXPECT_THROW(synthesize(folder / "set", 3, 24, 1), Error);
  EXPECT_EQ(read_text(folder / "set/mine.txt"), "keep");
  write_text(folder / "file", "keep");
  EXPECT_THROW(synthesize(folder / "file", 3, 24, 1), Error);
  const std::string message = message_of<Error>([&] { synthesize(folder / "file/set", 3, 24, 1); });
  EXPECT_NE(message.find((folder / "file/set").string()), std::string::npos) << message;
  EXPECT_EQ(read_text(folder / "file"), "keep");
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
