#include "common/data/loader.h"

#include <numeric>

#include "common/core/error.h"
#include "common/core/random.h"
#include "common/data/resize.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

/// `count` cases of 12 x 10 noise.
Dataset noise_dataset(const std::filesystem::path& root, int count) {
  std::filesystem::create_directories(root / "benign");
  for (int i = 0; i < count; ++i) {
    Random random(static_cast<std::uint64_t>(i));
    Grey image{12, 10, {}}, mask{12, 10, {}};
    for (int p = 0; p < 120; ++p) {
      image.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
      mask.pixels.push_back(random.below(2) == 0 ? 0 : 255);
    }
    const std::string name = "benign (" + std::to_string(10 + i) + ")";
    write_png(root / "benign" / (name + ".png"), image);
    write_png(root / "benign" / (name + "_mask.png"), mask);
  }
  return scan(root);
}

std::vector<std::size_t> all_cases(const Dataset& dataset) {
  std::vector<std::size_t> order(dataset.cases.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

std::vector<Batch> batches_of(Loader& loader) {
  std::vector<Batch> batches;
  while (!loader.at_end()) batches.push_back(loader.next());
  return batches;
}

void expect_same(const std::vector<Batch>& a, const std::vector<Batch>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].cases, b[i].cases);
    EXPECT_EQ(a[i].images, b[i].images);
    EXPECT_EQ(a[i].masks, b[i].masks);
  }
}

TEST(Loader, SizeThatIsNoSquare) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 3);
  for (const ImageSize& size : {ImageSize(10, 12), ImageSize(5, 12), ImageSize(16, 8)}) {
    Loader loader(dataset, size, Augment::none, 1);
    loader.start(all_cases(dataset), 0, 3);
    const Batch& batch = loader.next();
    const auto pixels = static_cast<std::size_t>(size.pixels());
    ASSERT_EQ(batch.images.size(), 3 * pixels);
    for (std::size_t i = 0; i < 3; ++i) {
      const Sample full = load_full(dataset.cases[i]);
      const Grey image = resize_bilinear(full.image, size.width, size.height);
      const Grey mask = resize_nearest(full.mask, size.width, size.height);
      EXPECT_TRUE(std::equal(image.pixels.begin(), image.pixels.end(), &batch.images[i * pixels]));
      EXPECT_TRUE(std::equal(mask.pixels.begin(), mask.pixels.end(), &batch.masks[i * pixels]));
    }
  }
}

TEST(Loader, GivesTheCasesInOrderAndTheSmallerLastBatch) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 11);
  const std::vector<std::size_t> order{3, 1, 4, 10, 5, 9, 2, 6, 0, 8, 7};
  Loader loader(dataset, 8, Augment::none, 1);
  EXPECT_TRUE(loader.at_end());
  for (std::uint32_t epoch = 0; epoch < 3; ++epoch) {
    loader.start(order, epoch, 4);
    const std::vector<Batch> batches = batches_of(loader);
    ASSERT_EQ(batches.size(), 3u);
    std::size_t place = 0;
    for (const Batch& batch : batches) {
      EXPECT_EQ(batch.count, place < 8 ? 4 : 3);
      ASSERT_EQ(batch.images.size(), static_cast<std::size_t>(batch.count) * 64);
      ASSERT_EQ(batch.masks.size(), batch.images.size());
      for (std::size_t i = 0; i < batch.cases.size(); ++i, ++place) {
        EXPECT_EQ(batch.cases[i], order[place]);
        const Sample expected = load(dataset.cases[order[place]], 8);
        EXPECT_TRUE(std::equal(expected.image.pixels.begin(), expected.image.pixels.end(), &batch.images[i * 64]));
        EXPECT_TRUE(std::equal(expected.mask.pixels.begin(), expected.mask.pixels.end(), &batch.masks[i * 64]));
      }
    }
    EXPECT_EQ(place, order.size());
  }
}

TEST(Loader, ThreadsAndCacheDoNotChangeTheBatches) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 23);
  Loader plain(dataset, 8, Augment::strong, 5, 1), many(dataset, 8, Augment::strong, 5, 5);
  Loader uncached(dataset, 8, Augment::strong, 5, 3, 300);
  for (std::uint32_t epoch = 0; epoch < 10; ++epoch) {
    for (Loader* loader : {&plain, &many, &uncached}) loader->start(all_cases(dataset), epoch, 3);
    const std::vector<Batch> expected = batches_of(plain);
    expect_same(batches_of(many), expected);
    expect_same(batches_of(uncached), expected);
  }
}

TEST(Loader, BeginsInMidEpoch) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 11);
  Loader loader(dataset, 8, Augment::light, 5);
  loader.start(all_cases(dataset), 2, 3);
  std::vector<Batch> whole = batches_of(loader);
  loader.start(all_cases(dataset), 2, 3, 2);
  expect_same(batches_of(loader), {whole.begin() + 2, whole.end()});
  loader.start(all_cases(dataset), 2, 3, 4);
  EXPECT_TRUE(loader.at_end());
}

TEST(Loader, MayBeRestartedOrDroppedAtAnyTime) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 11);
  for (int taken = 0; taken < 5; ++taken) {
    Loader loader(dataset, 8, Augment::light, 5, 3);
    loader.start(all_cases(dataset), 0, 2);
    for (int i = 0; i < taken; ++i) loader.next();
    loader.start({7, 6}, 1, 1);
    EXPECT_EQ(loader.next().cases, std::vector<std::size_t>{7});
    EXPECT_EQ(loader.next().cases, std::vector<std::size_t>{6});
    loader.start(all_cases(dataset), 2, 2);
  }
}

TEST(Loader, ErrorsComeWithTheirBatch) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 8);
  write_text(dataset.cases[5].image, "no image");
  write_text(dataset.cases[4].image, "");
  Loader loader(dataset, 8, Augment::none, 1, 3);
  loader.start(all_cases(dataset), 0, 2);
  EXPECT_EQ(loader.next().count, 2);
  EXPECT_EQ(loader.next().count, 2);
  const std::string message = message_of<Error>([&] { loader.next(); });
  EXPECT_NE(message.find(dataset.cases[4].image.string()), std::string::npos) << message;
  loader.start({0, 1}, 0, 2);
  EXPECT_EQ(loader.next().count, 2);
}

// Buffers are the same ones, epoch after epoch.
TEST(Loader, ReusesItsBuffers) {
  const TemporaryFolder root;
  const Dataset dataset = noise_dataset(root.path(), 9);
  Loader loader(dataset, 8, Augment::none, 1);
  std::vector<const std::uint8_t*> places[2];
  for (std::uint32_t epoch = 0; epoch < 2; ++epoch)
    for (loader.start(all_cases(dataset), epoch, 3); !loader.at_end();)
      places[epoch].push_back(loader.next().images.data());
  EXPECT_EQ(places[0], places[1]);
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
