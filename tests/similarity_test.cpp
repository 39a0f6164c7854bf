#include "common/data/similarity.h"

#include "support/files.h"

namespace attnunet::data {
namespace {

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

TEST(Similarity, GroupsOfBusi) {
  const auto root = shared_data() / "busi-256";
  ATTNUNET_SKIP_WITHOUT(root);
  const std::vector<Grey> images = thumbnails(scan(root));
  const auto count = [&](double threshold) {
    std::size_t members = 0;
    const Groups groups = near_duplicate_groups(images, threshold);
    for (const auto& group : groups) members += group.size();
    return std::pair<std::size_t, std::size_t>{groups.size(), members};
  };
  EXPECT_EQ(count(near_duplicate_threshold), (std::pair<std::size_t, std::size_t>{130, 298}));
  EXPECT_EQ(count(0.98), (std::pair<std::size_t, std::size_t>{83, 189}));
}

}  // namespace
}  // namespace attnunet::data
