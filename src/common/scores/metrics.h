// The metrics of an image and of a set, from pixel counts.
//
// One image (truth T, prediction P, sets of pixels):
//   accuracy     (tp + tn) / all
//   iou          |T and P| / |T or P|      = tp / (tp + fp + fn)
//   dice         2 |T and P| / (|T| + |P|) = 2 tp / (2 tp + fp + fn)
//   precision    tp / (tp + fp)
//   recall       tp / (tp + fn)
//   specificity  tn / (tn + fp), the recall of the background
// 0/0: where truth and prediction are both empty nothing was to be found and nothing was claimed, and every ratio is 1.
// Where only one of them is empty, precision and recall are 0, as IoU and Dice are. Specificity likewise for the
// background: 1 where the lesion fills the image in truth and prediction, 0 where it does in truth only.
//
// A set: the means over its images; pooled_iou and pooled_dice from the counts of all its pixels; keras_mean_iou from
// one confusion matrix over all its pixels, averaged over the classes (background, lesion) that truth or prediction
// contain. The last is what tf.keras.metrics.MeanIoU(2) makes of probabilities (it truncates them to integers).
// Proof: tests/metrics_test.cpp
#pragma once

#include <string>

#include "common/core/geometry.h"
#include "common/core/pixel_counts.h"

namespace attnunet {

/// What is known about one image after a forward pass.
struct ImageScore {
  double loss = 0;
  PixelCounts counts{};
};

struct Metrics {
  double loss = 0, accuracy = 0, iou = 0, dice = 0, precision = 0, recall = 0, specificity = 0;
  /// Of a set only; 0 for one image.
  double pooled_iou = 0, pooled_dice = 0, keras_mean_iou = 0;
};

/// The metrics of one image.
Metrics image_metrics(const ImageScore& score);

/// Sums over images, in the order they are added. To and from text without losing a bit, so that an epoch can be
/// interrupted and continued.
class MetricSums {
 public:
  void add(const ImageScore& score);
  Index images() const { return images_; }
  /// images() must not be 0.
  Metrics metrics() const;

  /// Numbers separated by spaces, the sums of floating point as hex floats.
  std::string to_text() const;
  /// Throws Error where the text is not what to_text() writes.
  static MetricSums from_text(const std::string& text);

 private:
  Index images_ = 0;
  Metrics sums_;
  PixelCounts counts_{};
};

}  // namespace attnunet
