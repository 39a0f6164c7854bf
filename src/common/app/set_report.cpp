#include "common/app/set_report.h"

#include <algorithm>
#include <cstdio>

#include "common/core/stable_sigmoid.h"
#include "common/io/table.h"
#include "common/scores/hausdorff.h"

namespace attnunet::app {
namespace {

using Places = std::vector<std::size_t>;

/// Those of `some` that are in `places` too, in the order of `some`.
Places kept(const Places& some, const Places& places) {
  Places result;
  for (const std::size_t place : some)
    if (std::binary_search(places.begin(), places.end(), place)) result.push_back(place);
  return result;
}

void pool_batches(SetReport& report, const ImageReports& images, const Places& order, int pool_batch) {
  const auto n = static_cast<std::size_t>(pool_batch);
  for (std::size_t begin = 0; begin < order.size(); begin += n) {
    MetricSums batch;
    for (std::size_t i = begin; i < std::min(begin + n, order.size()); ++i) batch.add(images.scores[order[i]]);
    const double share = static_cast<double>(batch.images()) / static_cast<double>(order.size());
    report.batch_pooled_iou += share * batch.metrics().pooled_iou;
    report.batch_pooled_dice += share * batch.metrics().pooled_dice;
  }
}

nlohmann::ordered_json bins_json(const Calibration& calibration) {
  nlohmann::ordered_json bins = nlohmann::ordered_json::array();
  for (const Calibration::Bin& bin : calibration.bins()) {
    nlohmann::ordered_json one{{"pixels", bin.pixels}, {"probability", nullptr}, {"lesion", nullptr}};
    if (bin.pixels > 0) {
      one["probability"] = bin.probability / static_cast<double>(bin.pixels);
      one["lesion"] = static_cast<double>(bin.lesion) / static_cast<double>(bin.pixels);
    }
    bins.push_back(one);
  }
  return bins;
}

std::string with_interval(double value, const Interval& interval) {
  return fixed(value, 4) + " (" + fixed(interval.low, 3) + " to " + fixed(interval.high, 3) + ")";
}

}  // namespace

void ImageReports::see(const float* logits, const std::vector<std::uint8_t>& mask, const float* truth,
                       const ImageSize& size) {
  const auto pixels = static_cast<std::size_t>(size.pixels());
  std::vector<std::uint8_t> truth_mask(pixels);
  Calibration bins;
  for (std::size_t i = 0; i < pixels; ++i) {
    truth_mask[i] = truth[i] > 0.5f;
    bins.add(stable_sigmoid(static_cast<double>(logits[i])), truth_mask[i] != 0);
  }
  hd95.push_back(hausdorff95(truth_mask, mask, size.width, size.height));
  calibration.push_back(bins);
}

SetReport set_report(const ImageReports& images, const Places& places, const Places& order,
                     const std::vector<Places>& groups, int pool_batch, std::uint64_t seed) {
  SetReport report;
  MetricSums sums;
  double distances = 0;
  for (const std::size_t place : places) {
    sums.add(images.scores[place]);
    report.calibration.add(images.calibration[place]);
    if (!images.hd95[place]) continue;
    distances += *images.hd95[place];
    ++report.hd95_images;
  }
  report.images = sums.images();
  report.metrics = sums.metrics();
  if (report.hd95_images > 0) report.hd95 = distances / static_cast<double>(report.hd95_images);
  pool_batches(report, images, kept(order, places), pool_batch);

  std::vector<Places> groups_here;
  for (const Places& group : groups) {
    Places here = kept(group, places);
    if (!here.empty()) groups_here.push_back(std::move(here));
  }
  report.intervals = bootstrap_intervals(images.scores, groups_here, seed);
  return report;
}

std::vector<std::pair<const char*, std::optional<double>>> named(const SetReport& report) {
  const Metrics& m = report.metrics;
  return {{"loss", m.loss},
          {"accuracy", m.accuracy},
          {"iou", m.iou},
          {"dice", m.dice},
          {"precision", m.precision},
          {"recall", m.recall},
          {"specificity", m.specificity},
          {"pooled_iou", m.pooled_iou},
          {"pooled_dice", m.pooled_dice},
          {"keras_mean_iou", m.keras_mean_iou},
          {"batch_pooled_iou", report.batch_pooled_iou},
          {"batch_pooled_dice", report.batch_pooled_dice},
          {"hd95", report.hd95},
          {"ece", report.calibration.expected_error()}};
}

nlohmann::ordered_json to_json(const SetReport& report) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : named(report)) {
    object[name] = nullptr;
    if (value) object[name] = *value;
  }
  object["hd95_images"] = report.hd95_images;
  const Intervals& in = report.intervals;
  for (const auto& [name, interval] :
       {std::pair{"iou", in.iou}, std::pair{"dice", in.dice}, std::pair{"pooled_iou", in.pooled_iou},
        std::pair{"pooled_dice", in.pooled_dice}})
    object["intervals"][name] = {interval.low, interval.high};
  object["calibration"] = bins_json(report.calibration);
  return object;
}

void print_tables(const std::vector<std::pair<std::string, SetReport>>& sets, int pool_batch) {
  Table means({"class", "cases", "loss", "accuracy", "IoU", "Dice", "precision", "recall", "specificity", "pooled IoU",
               "pooled Dice", "Keras mean IoU"});
  const std::string batches = "batches of " + std::to_string(pool_batch) + ": ";
  Table more({"95 % intervals", "IoU", "Dice", "pooled IoU", "pooled Dice", batches + "IoU", "Dice", "HD95 px",
              "of images", "ECE"});
  constexpr std::size_t in_means = 10;
  for (const auto& [name, report] : sets) {
    const auto values = named(report);
    std::vector<std::string> row{name, std::to_string(report.images)};
    for (std::size_t i = 0; i < in_means; ++i) row.push_back(fixed(*values[i].second, 4));
    means.add(row);
    const Metrics& m = report.metrics;
    const Intervals& in = report.intervals;
    more.add({name, with_interval(m.iou, in.iou), with_interval(m.dice, in.dice),
              with_interval(m.pooled_iou, in.pooled_iou), with_interval(m.pooled_dice, in.pooled_dice),
              fixed(report.batch_pooled_iou, 4), fixed(report.batch_pooled_dice, 4),
              report.hd95 ? fixed(*report.hd95, 1) : "-", std::to_string(report.hd95_images),
              fixed(report.calibration.expected_error(), 4)});
  }
  means.print();
  std::printf("\n");
  more.print();
}

}  // namespace attnunet::app
