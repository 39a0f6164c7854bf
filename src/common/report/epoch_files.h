// What a training writes for people after every epoch: panels and report.html.
// Nothing of it changes the training. An epoch's files can be made again from its weights: the same panels.
// Proof: tests/epoch_files_test.cpp
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/data/split.h"
#include "common/report/gradcam.h"
#include "common/report/report.h"
#include "common/train/checkpoint.h"
#include "common/train/run_folder.h"

namespace attnunet::report {

class EpochFiles {
 public:
  /// Of an image of the run's size, 0 to 1.
  using Explain = std::function<Explanation(const std::vector<float>& image)>;

  /// `run`: its configuration and its case list, which tells of validation cases that were trained on. The dataset must
  /// outlive this. Chooses the cases that panels show (panel_cases) and makes their folder. Throws Error where a case
  /// cannot be read or the folder not be made.
  EpochFiles(const Checkpoint& run, const RunFolder& folder, const data::Dataset& dataset, const data::Split& split);

  /// Whether metrics.csv ends with the epoch's row, but its panels or the report after it are missing.
  bool missing(int epoch) const;

  /// Writes them; metrics.csv has the epoch's row, `validation` the scores of split.val after it. Throws Error naming
  /// the file that cannot be written; other files of the run stay as they are.
  void write(int epoch, const std::vector<ImageScore>& validation, const Explain& explain);

 private:
  Seen seen_of(std::size_t validation_case) const;
  std::string early_end(const std::vector<EpochRow>& history) const;

  const TrainConfig config_;
  const int first_epoch_, epochs_since_best_;  // of the state that training begins with
  const double best_val_iou_;
  const std::vector<Seen> seen_;  // of split_.val
  const RunFolder folder_;
  const data::Dataset& dataset_;
  const data::Split split_;
  std::string cases_hash_;
  std::vector<std::size_t> shown_;  // indices into the dataset, with the names of their files
  std::vector<std::string> names_;
  SmallPanels small_panels_;
};

}  // namespace attnunet::report
