#include "common/scores/metrics.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "common/core/error.h"

namespace attnunet {
namespace {

// part / whole; where whole is 0, 1 if there was nothing to find and nothing was claimed (missed = 0), else 0.
double ratio(std::int64_t part, std::int64_t whole, std::int64_t missed = 0) {
  if (whole == 0) return missed == 0 ? 1 : 0;
  return static_cast<double>(part) / static_cast<double>(whole);
}

double iou(const PixelCounts& c) {
  return ratio(c.tp, c.tp + c.fp + c.fn);
}
double dice(const PixelCounts& c) {
  return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn);
}

double keras_mean_iou(const PixelCounts& c) {
  const std::int64_t all = c.tp + c.fp + c.fn + c.tn;
  const std::int64_t lesion_union = c.tp + c.fn + c.keras_fp;
  const std::int64_t background_union = all - c.keras_tp;
  double sum = 0;
  int classes = 0;
  if (lesion_union > 0) {
    sum += ratio(c.keras_tp, lesion_union);
    ++classes;
  }
  if (background_union > 0) {
    sum += ratio(c.fp + c.tn - c.keras_fp, background_union);
    ++classes;
  }
  return sum / classes;
}

// The sums that text holds, in its order.
template <class Sums, class Visit>
void for_each_mean(Sums& sums, Visit visit) {
  for (auto* value :
       {&sums.loss, &sums.accuracy, &sums.iou, &sums.dice, &sums.precision, &sums.recall, &sums.specificity})
    visit(*value);
}
template <class Counts, class Visit>
void for_each_count(Counts& counts, Visit visit) {
  for (auto* value : {&counts.tp, &counts.fp, &counts.fn, &counts.tn, &counts.keras_tp, &counts.keras_fp})
    visit(*value);
}

}  // namespace

Metrics image_metrics(const ImageScore& score) {
  const PixelCounts& c = score.counts;
  Metrics metrics;
  metrics.loss = score.loss;
  metrics.accuracy = ratio(c.tp + c.tn, c.tp + c.fp + c.fn + c.tn);
  metrics.iou = iou(c);
  metrics.dice = dice(c);
  metrics.precision = ratio(c.tp, c.tp + c.fp, c.fn);
  metrics.recall = ratio(c.tp, c.tp + c.fn, c.fp);
  metrics.specificity = ratio(c.tn, c.tn + c.fp, c.fn);
  return metrics;
}

void MetricSums::add(const ImageScore& score) {
  const Metrics one = image_metrics(score);
  sums_.loss += one.loss;
  sums_.accuracy += one.accuracy;
  sums_.iou += one.iou;
  sums_.dice += one.dice;
  sums_.precision += one.precision;
  sums_.recall += one.recall;
  sums_.specificity += one.specificity;
  counts_.tp += score.counts.tp;
  counts_.fp += score.counts.fp;
  counts_.fn += score.counts.fn;
  counts_.tn += score.counts.tn;
  counts_.keras_tp += score.counts.keras_tp;
  counts_.keras_fp += score.counts.keras_fp;
  ++images_;
}

Metrics MetricSums::metrics() const {
  if (images_ == 0) throw std::logic_error("metrics of no images");
  Metrics means = sums_;
  for_each_mean(means, [&](double& value) { value /= static_cast<double>(images_); });
  means.pooled_iou = iou(counts_);
  means.pooled_dice = dice(counts_);
  means.keras_mean_iou = keras_mean_iou(counts_);
  return means;
}

std::string MetricSums::to_text() const {
  std::string text = std::to_string(images_);
  for_each_mean(sums_, [&](double value) {
    char hex[40];
    std::snprintf(hex, sizeof hex, " %a", value);
    text += hex;
  });
  for_each_count(counts_, [&](std::int64_t value) { text += " " + std::to_string(value); });
  return text;
}

MetricSums MetricSums::from_text(const std::string& text) {
  std::istringstream words(text);
  const auto next = [&] {
    std::string word;
    words >> word;
    return word;
  };
  const auto count = [&] {
    const std::string word = next();
    char* end = nullptr;
    const long long value = std::strtoll(word.c_str(), &end, 10);
    if (word.empty() || *end != '\0' || value < 0 || value > (1LL << 53)) throw Error("the metric sums are damaged");
    return value;
  };
  MetricSums sums;
  sums.images_ = count();
  for_each_mean(sums.sums_, [&](double& value) {
    const std::string word = next();
    char* end = nullptr;
    value = std::strtod(word.c_str(), &end);
    if (word.empty() || *end != '\0' || !std::isfinite(value)) throw Error("the metric sums are damaged");
  });
  for_each_count(sums.counts_, [&](std::int64_t& value) { value = count(); });
  if (!next().empty()) throw Error("the metric sums are damaged");
  return sums;
}

}  // namespace attnunet
