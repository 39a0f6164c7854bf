// What evaluate says of a set of images beyond the scores of each: means, pooled, pooled by batches, intervals, the
// distance of borders and calibration.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/core/image_size.h"
#include "common/scores/bootstrap.h"
#include "common/scores/calibration.h"
#include "common/scores/metrics.h"

namespace attnunet::app {

/// What is known of every image, in the order of the cases.
struct ImageReports {
  std::vector<ImageScore> scores;
  std::vector<std::optional<double>> hd95;  ///< pixels at the network's size; hausdorff.h
  std::vector<Calibration> calibration;

  /// Adds what the logits, the mask made of them (0: no lesion) and the truth (0 or 1) say, [height, width] each.
  void see(const float* logits, const std::vector<std::uint8_t>& mask, const float* truth, const ImageSize& size);
};

struct SetReport {
  Index images = 0;
  Metrics metrics;
  Intervals intervals;
  /// Pixels pooled over each batch, then the mean over batches weighted by their images: how the published benchmark
  /// of data/splits scores.
  double batch_pooled_iou = 0, batch_pooled_dice = 0;
  std::optional<double> hd95;  ///< mean over the images where truth and prediction both have a lesion
  Index hd95_images = 0;       ///< how many those are
  Calibration calibration;
};

/// Of the images `places`, ascending. `order` has all images in the order in which batches of pool_batch are made,
/// `groups` all images by near-duplicates; of both only those in places are used.
SetReport set_report(const ImageReports& images, const std::vector<std::size_t>& places,
                     const std::vector<std::size_t>& order, const std::vector<std::vector<std::size_t>>& groups,
                     int pool_batch, std::uint64_t seed);

/// Name and value of every number of a set, in the order in which tables and files have them; none where undefined.
std::vector<std::pair<const char*, std::optional<double>>> named(const SetReport& report);

/// All of them, the intervals and the bins of calibration.
nlohmann::ordered_json to_json(const SetReport& report);

/// Two tables on stdout, a row a set.
void print_tables(const std::vector<std::pair<std::string, SetReport>>& sets, int pool_batch);

}  // namespace attnunet::app
