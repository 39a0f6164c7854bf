#include "common/scores/bootstrap.h"

#include <algorithm>

#include "common/core/random.h"
#include "common/scores/quantile.h"

namespace attnunet {
namespace {

constexpr std::uint32_t bootstrap_stream = 0x424f4f54;  // draws from a stream of its own

/// All that the scores of a set need of a group.
struct Sums {
  double images = 0, iou = 0, dice = 0;
  std::int64_t tp = 0, wrong = 0;  // wrong: fp + fn

  void operator+=(const Sums& other) {
    images += other.images;
    iou += other.iou;
    dice += other.dice;
    tp += other.tp;
    wrong += other.wrong;
  }
};

/// 1 where nothing was to be found and nothing was claimed, as in metrics.h.
double pooled_ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

Interval middle(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  return {quantile(values, 0.025), quantile(values, 0.975)};
}

}  // namespace

Intervals bootstrap_intervals(const std::vector<ImageScore>& scores,
                              const std::vector<std::vector<std::size_t>>& groups, std::uint64_t seed) {
  std::vector<Sums> sums(groups.size());
  for (std::size_t g = 0; g < groups.size(); ++g)
    for (const std::size_t i : groups[g]) {
      const Metrics one = image_metrics(scores[i]);
      const PixelCounts& c = scores[i].counts;
      sums[g] += {1, one.iou, one.dice, c.tp, c.fp + c.fn};
    }
  Random random(seed, bootstrap_stream);
  std::vector<double> iou, dice, pooled_iou, pooled_dice;
  for (int resample = 0; resample < bootstrap_resamples; ++resample) {
    Sums drawn;
    for (std::size_t i = 0; i < sums.size(); ++i) drawn += sums[random.below(static_cast<std::uint32_t>(sums.size()))];
    iou.push_back(drawn.iou / drawn.images);
    dice.push_back(drawn.dice / drawn.images);
    pooled_iou.push_back(pooled_ratio(drawn.tp, drawn.tp + drawn.wrong));
    pooled_dice.push_back(pooled_ratio(2 * drawn.tp, 2 * drawn.tp + drawn.wrong));
  }
  return {middle(iou), middle(dice), middle(pooled_iou), middle(pooled_dice)};
}

}  // namespace attnunet
