#include "common/scores/threshold.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace attnunet {

void ThresholdChoice::see(const float* logits, const float* truth, std::size_t pixels) {
  // The logits of the candidates rise, so a pixel is marked by all of them up to some number: how many pixels have
  // which number says it for all candidates at once.
  std::array<double, steps> limits{};
  for (int i = 1; i < steps; ++i) {
    const double p = static_cast<double>(i) / steps;
    limits[static_cast<std::size_t>(i)] = std::log(p / (1 - p));
  }
  std::array<Index, steps> lesion{}, other{};  // pixels by the last candidate that marks them; 0: none does
  for (std::size_t i = 0; i < pixels; ++i) {
    const auto above = std::lower_bound(limits.begin() + 1, limits.end(), static_cast<double>(logits[i]));
    ++(truth[i] > 0.5f ? lesion : other)[static_cast<std::size_t>(above - limits.begin() - 1)];
  }
  Index tp = 0, fp = 0, truth_pixels = 0;
  for (const Index count : lesion) truth_pixels += count;
  for (std::size_t i = steps - 1; i > 0; --i) {
    tp += lesion[i];
    fp += other[i];
    const Index either = truth_pixels + fp;
    iou_sums_[i] += either == 0 ? 1.0 : static_cast<double>(tp) / static_cast<double>(either);
  }
  ++images_;
}

void ThresholdChoice::see(const std::function<double(double threshold)>& iou) {
  for (std::size_t i = 1; i < steps; ++i) iou_sums_[i] += iou(static_cast<double>(i) / steps);
  ++images_;
}

ThresholdChoice::Best ThresholdChoice::best() const {
  int chosen = steps / 2;
  const auto sum = [&](int i) { return iou_sums_[static_cast<std::size_t>(i)]; };
  for (int distance = 1; distance < steps / 2; ++distance)
    for (const int i : {steps / 2 - distance, steps / 2 + distance})
      if (sum(i) > sum(chosen)) chosen = i;
  const auto n = static_cast<double>(images_);
  return {static_cast<double>(chosen) / steps, sum(chosen) / n, sum(steps / 2) / n};
}

}  // namespace attnunet
