// The probability above which a pixel is best called lesion: chosen on images that were not trained on.
//
// Candidates are 0.01, 0.02, .., 0.99. For each, the score is the mean IoU over images, which also chooses the best
// checkpoint of a training: an image whose truth and prediction are both empty counts 1.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet {

class ThresholdChoice {
 public:
  /// The logits of an image and its truth (0 or 1), `pixels` of each.
  void see(const float* logits, const float* truth, std::size_t pixels);
  /// The same for masks that a threshold alone does not make: iou(threshold) is that of the image.
  void see(const std::function<double(double threshold)>& iou);

  struct Best {
    double threshold = 0.5, iou = 0, iou_at_half = 0;  ///< iou_at_half: of the threshold 0.5
  };
  /// Of those with the highest score the one nearest to 0.5. There must have been an image.
  Best best() const;

 private:
  static constexpr int steps = 100;  // candidate i is i / steps

  std::vector<double> iou_sums_ = std::vector<double>(steps, 0.0);
  std::size_t images_ = 0;
};

}  // namespace attnunet
