#include "common/report/epoch_files.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "common/core/error.h"
#include "common/data/sample.h"
#include "common/io/atomic_file.h"
#include "common/report/panel.h"
#include "common/train/cases.h"

namespace attnunet::report {
namespace {

constexpr std::size_t best_and_worst = 4;

std::vector<float> numbers(const data::Grey& image) {
  std::vector<float> values;
  values.reserve(image.pixels.size());
  for (const std::uint8_t pixel : image.pixels) values.push_back(static_cast<float>(pixel) / 255.0f);
  return values;
}

/// The first of the cases in an order.
template <class Before>
std::vector<std::size_t> first_by(std::vector<std::size_t> cases, Before before) {
  std::stable_sort(cases.begin(), cases.end(), before);
  cases.resize(std::min(cases.size(), best_and_worst));
  return cases;
}

}  // namespace

EpochFiles::EpochFiles(const Checkpoint& run, const RunFolder& folder, const data::Dataset& dataset,
                       const data::Split& split)
    : config_(run.config),
      first_epoch_(run.epoch),
      epochs_since_best_(run.epochs_since_best),
      best_val_iou_(run.best_val_iou),
      seen_(run.case_list ? recorded_seen(run.case_list->val) : std::vector<Seen>(split.val.size(), Seen::unknown)),
      folder_(folder),
      dataset_(dataset),
      split_(split),
      cases_hash_(hash_of_cases(names_of(dataset, split.train), names_of(dataset, split.val))),
      shown_(panel_cases(dataset, split.val, config_.size, config_.seed, static_cast<std::size_t>(config_.panels))),
      names_(file_names(names_of(dataset, shown_))) {
  if (shown_.empty() || config_.epochs == 0) return;
  std::error_code code;
  std::filesystem::create_directories(folder_.panels(), code);
  if (code) throw file_error("cannot make the folder", folder_.panels(), code.value());
}

bool EpochFiles::missing(int epoch) const {
  // A checkpoint that is resumed without the metrics.csv of its run brings no row that could be reported.
  const std::vector<EpochRow> rows = read_metrics(folder_.csv());
  if (rows.empty() || rows.back().epoch != epoch) return false;
  return reported_epoch(folder_.report()) != epoch ||
         !std::all_of(names_.begin(), names_.end(),
                      [&](const std::string& name) { return std::filesystem::exists(folder_.panel(epoch, name)); });
}

Seen EpochFiles::seen_of(std::size_t validation_case) const {
  const auto place = std::find(split_.val.begin(), split_.val.end(), validation_case);
  return seen_[static_cast<std::size_t>(place - split_.val.begin())];
}

std::string EpochFiles::early_end(const std::vector<EpochRow>& history) const {
  int since_best = epochs_since_best_;
  double best = best_val_iou_;
  for (const EpochRow& row : history) {
    if (row.epoch <= first_epoch_) continue;
    since_best = row.val.iou > best ? 0 : since_best + 1;
    best = std::max(best, row.val.iou);
  }
  return end_by_patience(config_, history.back().epoch, since_best);
}

void EpochFiles::write(int epoch, const std::vector<ImageScore>& validation, const Explain& explain) {
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    const data::Case& one = dataset_.cases[shown_[i]];
    const data::Sample sample = data::load(one, config_.size);
    data::write_png(folder_.panel(epoch, names_[i]),
                    panel(sample, explain(numbers(sample.image)),
                          "epoch " + std::to_string(epoch) + ": " + one.name + seen_mark(seen_of(shown_[i]))),
                    Durability::synced);
  }

  RunReport report;
  report.config = config_;
  report.cases_hash = cases_hash_;
  report.train_cases = split_.train.size();
  report.history = read_metrics(folder_.csv());
  report.early_end = early_end(report.history);
  for (std::size_t i = 0; i < validation.size(); ++i) {
    const data::Case& one = dataset_.cases[split_.val[i]];
    report.validation.push_back({one.name, one.class_name, validation[i], seen_[i]});
  }
  std::map<std::size_t, data::Rgb> known;  // a case may be one of the best and of the worst
  const auto pictures = [&](const std::vector<std::size_t>& places) {
    std::vector<CasePicture> result;
    for (const std::size_t place : places) {
      if (known.count(place) == 0) {
        const data::Sample sample = data::load(dataset_.cases[split_.val[place]], config_.size);
        known[place] = outlined(sample, explain(numbers(sample.image)).logits);
      }
      result.push_back({report.validation[place], known[place]});
    }
    return result;
  };
  std::vector<std::size_t> all(validation.size()), lesions;
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::copy_if(all.begin(), all.end(), std::back_inserter(lesions),
               [&](std::size_t i) { return validation[i].counts.tp + validation[i].counts.fn > 0; });
  // Of equal IoU the smaller loss is the better one.
  const auto better = [&](std::size_t a, std::size_t b) {
    const double iou_a = image_metrics(validation[a]).iou, iou_b = image_metrics(validation[b]).iou;
    return iou_a != iou_b ? iou_a > iou_b : validation[a].loss < validation[b].loss;
  };
  report.best = pictures(first_by(lesions, better));
  report.worst = pictures(first_by(all, [&](std::size_t a, std::size_t b) { return better(b, a); }));
  report.strip = panel_strip(folder_, epoch, small_panels_);
  write_file_atomically(folder_.report(), run_report(report));
}

}  // namespace attnunet::report
