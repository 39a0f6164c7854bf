#include "common/scores/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/core/random.h"
#include "common/scores/quantile.h"

namespace attnunet {
namespace TEST_FILE {

using Groups = std::vector<std::vector<std::size_t>>;

/// An image of 100 pixels of which 50 are truth and `found` of them were found.
ImageScore score(int found) {
  ImageScore one;
  one.counts.tp = found;
  one.counts.fn = 50 - found;
  one.counts.tn = 50;
  return one;
}

Groups singles(std::size_t n) {
  Groups groups;
  for (std::size_t i = 0; i < n; ++i) groups.push_back({i});
  return groups;
}

TEST(Bootstrap, Quantiles) {
  EXPECT_EQ(quantile({7}, 0.3), 7);
  EXPECT_EQ(quantile({1, 2, 4}, 0.5), 2);
  EXPECT_DOUBLE_EQ(quantile({1, 2, 4}, 0.95), 2 + 0.9 * 2);
  EXPECT_EQ(quantile({1, 2, 4}, 1), 4);
}

TEST(Bootstrap, EqualScoresHaveNoWidth) {
  const Intervals intervals = bootstrap_intervals(std::vector<ImageScore>(6, score(25)), singles(6), 0);
  EXPECT_DOUBLE_EQ(intervals.iou.low, 0.5);
  EXPECT_DOUBLE_EQ(intervals.iou.high, 0.5);
  EXPECT_DOUBLE_EQ(intervals.pooled_iou.low, 0.5);
  EXPECT_DOUBLE_EQ(intervals.dice.low, 50.0 / 75);
  EXPECT_DOUBLE_EQ(intervals.pooled_dice.high, 50.0 / 75);
  EXPECT_EQ(bootstrap_intervals({ImageScore{}}, {{0}}, 0).pooled_iou.low, 1);  // nothing to be found
}

// Half of 400 images score 0, half 1: the mean of 400 draws is within 1.96 * 0.5 / 20 of 0.5 in 95 of 100 cases.
TEST(Bootstrap, WidthIsThatOfTheMeansDistribution) {
  std::vector<ImageScore> scores;
  for (int i = 0; i < 400; ++i) scores.push_back(score(i % 2 * 50));
  const Intervals intervals = bootstrap_intervals(scores, singles(400), 1);
  EXPECT_NEAR(intervals.iou.low, 0.5 - 1.96 * 0.025, 0.006);
  EXPECT_NEAR(intervals.iou.high, 0.5 + 1.96 * 0.025, 0.006);
  // Four copies of each of 100 pictures are 100 draws, not 400: twice as wide.
  Groups fours;
  for (std::size_t first = 0; first < 400; first += 8)
    for (const std::size_t odd : {0u, 1u})
      fours.push_back({first + odd, first + odd + 2, first + odd + 4, first + odd + 6});
  const Intervals grouped = bootstrap_intervals(scores, fours, 1);
  EXPECT_NEAR((grouped.iou.high - grouped.iou.low) / (intervals.iou.high - intervals.iou.low), 2, 0.2);
}

TEST(Bootstrap, TheSeedDecides) {
  std::vector<ImageScore> scores;
  for (int i = 0; i < 30; ++i) scores.push_back(score(i));
  const Intervals a = bootstrap_intervals(scores, singles(30), 5), b = bootstrap_intervals(scores, singles(30), 5),
                  c = bootstrap_intervals(scores, singles(30), 6);
  EXPECT_EQ(a.dice.low, b.dice.low);
  EXPECT_EQ(a.pooled_dice.high, b.pooled_dice.high);
  EXPECT_NE(a.dice.low, c.dice.low);
  EXPECT_LT(a.iou.low, a.iou.high);
}

}  // namespace TEST_FILE
}  // namespace attnunet
