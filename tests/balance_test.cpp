#include "common/data/balance.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "common/data/loader.h"
#include "common/data/png.h"
#include "support/files.h"

namespace attnunet::data {
namespace TEST_FILE {

using Groups = std::vector<std::vector<std::size_t>>;

std::map<std::size_t, int> draws(const std::vector<std::size_t>& order) {
  std::map<std::size_t, int> counts;
  for (const std::size_t one : order) ++counts[one];
  return counts;
}

// 17 cases in three groups: 6, 6 and 5 draws of them, and of each case as many as of the next, or one more.
TEST(Balance, GroupsAreDrawnEvenly) {
  const Groups groups{{0, 1}, {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, {14, 15, 16}};
  for (std::uint32_t epoch = 1; epoch <= 20; ++epoch) {
    const std::vector<std::size_t> order = balanced_order(groups, 3, epoch);
    ASSERT_EQ(order.size(), 17u);
    std::map<std::size_t, int> counts = draws(order);
    std::vector<int> of_group;
    for (const auto& group : groups) {
      int sum = 0, least = 100, most = 0;
      for (const std::size_t one : group) {
        sum += counts[one];
        least = std::min(least, counts[one]);
        most = std::max(most, counts[one]);
      }
      EXPECT_LE(most - least, 1);
      of_group.push_back(sum);
    }
    std::sort(of_group.begin(), of_group.end());
    EXPECT_EQ(of_group, (std::vector<int>{5, 6, 6}));
  }
}

TEST(Balance, AFunctionOfSeedAndEpoch) {
  const Groups groups{{0, 1, 2}, {3, 4, 5, 6, 7, 8, 9, 10}};
  EXPECT_EQ(balanced_order(groups, 1, 2), balanced_order(groups, 1, 2));
  EXPECT_NE(balanced_order(groups, 1, 2), balanced_order(groups, 1, 3));
  EXPECT_NE(balanced_order(groups, 1, 2), balanced_order(groups, 2, 2));
}

/// 40 x 40 pixels with a square lesion: none, 1 %, 5 % (81 pixels) and 25 %.
class BalanceGroups : public ::testing::Test {
 protected:
  BalanceGroups() {
    int number = 0;
    for (const int side : {0, 4, 9, 20, 4}) {
      ++number;
      write(number <= 3 ? "benign" : "other", "case " + std::to_string(number), side);
    }
    dataset = scan(folder.path());
  }
  void write(const std::string& class_name, const std::string& name, int side) {
    const std::filesystem::path file = folder / class_name / name;
    std::filesystem::create_directories(file.parent_path());
    Grey image{40, 40, std::vector<std::uint8_t>(1600)}, mask = image;
    for (int i = 0; i < 1600; ++i) {
      image.pixels[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i % 251);
      mask.pixels[static_cast<std::size_t>(i)] = i / 40 < side && i % 40 < side ? 255 : 0;
    }
    write_png(file.string() + ".png", image);
    write_png(file.string() + "_mask.png", mask);
  }
  TemporaryFolder folder;
  Dataset dataset;
};

TEST_F(BalanceGroups, ByClassAndByLesion) {
  const std::vector<std::size_t> all{0, 1, 2, 3, 4};
  EXPECT_EQ(balance_groups(dataset, all, Balance::none, 40), (Groups{all}));
  EXPECT_EQ(balance_groups(dataset, all, Balance::by_class, 40), (Groups{{0, 1, 2}, {3, 4}}));
  EXPECT_EQ(balance_groups(dataset, all, Balance::by_lesion, 40), (Groups{{0}, {1, 4}, {2}, {3}}));
  EXPECT_EQ(balance_groups(dataset, {1, 3, 4}, Balance::by_lesion, 40), (Groups{{1, 4}, {3}}));
}

// Drawn twice in an epoch, a case is augmented in two ways; the first is that of a case that is drawn once.
TEST_F(BalanceGroups, RepeatedCasesAreAugmentedAnew) {
  const auto images = [&](const std::vector<std::size_t>& order) {
    Loader loader(dataset, 40, Augment::strong, 7, 2);
    loader.start(order, 1, 8);
    return loader.next().images;
  };
  const std::vector<std::uint8_t> once = images({1, 2}), twice = images({1, 2, 1});
  EXPECT_TRUE(std::equal(once.begin(), once.end(), twice.begin()));
  EXPECT_FALSE(std::equal(twice.begin(), twice.begin() + 1600, twice.begin() + 3200));
}

}  // namespace TEST_FILE
}  // namespace attnunet::data
