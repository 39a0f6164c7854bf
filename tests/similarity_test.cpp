#include "common/data/similarity.h"

#include <cmath>

#include "common/core/random.h"
#include "common/data/fingerprint.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Groups = std::vector<std::vector<std::size_t>>;

Grey strip(std::vector<std::uint8_t> pixels) {
  return Grey{static_cast<int>(pixels.size()), 1, std::move(pixels)};
}

TEST(Similarity, CorrelationIsPearsons) {
  // Brightness and contrast do not matter; (0,1,2,3) against (0,2,1,3) is 0.8.
  const auto pairs =
      similar_pairs({strip({0, 1, 2, 3}), strip({100, 110, 120, 130}), strip({0, 2, 1, 3}), strip({3, 2, 1, 0})}, -2);
  ASSERT_EQ(pairs.size(), 6u);
  const double expected[] = {1, 0.8, -1, 0.8, -1, -0.8};
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(pairs[i].correlation, expected[i], 1e-6);
  EXPECT_EQ(pairs[3].a, 1u);
  EXPECT_EQ(pairs[3].b, 2u);
}

TEST(Similarity, GroupsAreConnectedComponents) {
  // 0-2 (0.8) and 2-4 (0.6) are alike, 0-4 (0) are not: one group all the same. 1 and 3 are constant.
  const std::vector<Grey> images{strip({0, 1, 2, 3}), strip({5, 5, 5, 5}), strip({0, 2, 1, 3}), strip({5, 5, 5, 5}),
                                 strip({1, 3, 0, 2})};
  EXPECT_EQ(near_duplicate_groups(images, 0.1), (Groups{{0, 2, 4}}));
  EXPECT_EQ(near_duplicate_groups(images, 0.7), (Groups{{0, 2}}));
  EXPECT_TRUE(near_duplicate_groups(images, 0.9).empty());
  EXPECT_TRUE(near_duplicate_groups({}, 0.9).empty());
}

TEST(Similarity, ResemblesAnyOfOthers) {
  const std::vector<Grey> images{strip({0, 1, 2, 3}), strip({5, 5, 5, 5}), strip({3, 2, 1, 0})};
  const std::vector<Grey> others{strip({5, 5, 5, 5}), strip({0, 2, 1, 3})};
  EXPECT_EQ(resemble_any(images, others, 0.7), (std::vector<bool>{true, false, false}));
  EXPECT_EQ(resemble_any(images, others, 0.9), (std::vector<bool>{false, false, false}));
  EXPECT_EQ(resemble_any(images, {}, -2), (std::vector<bool>{false, false, false}));
  EXPECT_TRUE(resemble_any({}, others, 0.7).empty());
}

// More images than a tile has, mixtures of a few patterns, so that every bound lets some through and stops others.
TEST(Similarity, NoPairIsLost) {
  constexpr int width = 20, height = 12, count = 130;
  constexpr std::size_t pixels = width * height;
  Random random(3);
  std::vector<std::vector<double>> patterns(3, std::vector<double>(pixels));
  for (auto& pattern : patterns)
    for (std::size_t i = 0; i < pixels; ++i)
      pattern[i] = i % 40 < 3 || &pattern != &patterns[0] ? random.uniform() : pattern[i / 3];
  std::vector<Grey> images;
  for (int k = 0; k < count; ++k) {
    Grey image{width, height, std::vector<std::uint8_t>(pixels)};
    const double a = random.uniform(), b = random.uniform(), noise = 0.3 * random.uniform();
    for (std::size_t i = 0; i < pixels; ++i)
      image.pixels[i] = static_cast<std::uint8_t>(
          80 * (a * patterns[0][i] + b * patterns[1][i] + (1 - b) * patterns[2][i] + noise * random.uniform()));
    images.push_back(image);
  }
  const auto correlation = [&](const Grey& x, const Grey& y) {
    double sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
    for (std::size_t i = 0; i < pixels; ++i) {
      const double p = x.pixels[i], q = y.pixels[i];
      sx += p, sy += q, xx += p * p, yy += q * q, xy += p * q;
    }
    constexpr double n = pixels;
    return (n * xy - sx * sy) / std::sqrt((n * xx - sx * sx) * (n * yy - sy * sy));
  };
  for (const double threshold : {0.3, 0.7, 0.95}) {
    const std::vector<SimilarPair> pairs = similar_pairs(images, threshold);
    std::size_t next = 0;
    for (std::size_t a = 0; a < images.size(); ++a)
      for (std::size_t b = a + 1; b < images.size(); ++b) {
        const double expected = correlation(images[a], images[b]);
        if (expected <= threshold) continue;
        ASSERT_LT(next, pairs.size());
        EXPECT_EQ(pairs[next].a, a);
        EXPECT_EQ(pairs[next].b, b);
        EXPECT_NEAR(pairs[next].correlation, expected, 1e-5);
        ++next;
      }
    EXPECT_EQ(next, pairs.size());
    EXPECT_GT(next, 20u);
    EXPECT_LT(next, std::size_t{count} * (count - 1) / 2 - 20);
  }
}

TEST(Similarity, GroupsOfBusi) {
  const auto root = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(root);
  const Dataset dataset = scan(root);
  const std::vector<Grey> images = Fingerprints(dataset).thumbnails();
  const auto count = [&](double threshold) {
    std::size_t members = 0;
    const Groups groups = near_duplicate_groups(images, threshold);
    for (const auto& group : groups) members += group.size();
    return std::pair<std::size_t, std::size_t>{groups.size(), members};
  };
  EXPECT_EQ(count(near_duplicate_threshold), (std::pair<std::size_t, std::size_t>{130, 298}));
  EXPECT_EQ(count(0.98), (std::pair<std::size_t, std::size_t>{83, 189}));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
