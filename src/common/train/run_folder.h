// The folder of a run: config.json, metrics.csv, last.safetensors, best.safetensors.
#pragma once

#include <filesystem>
#include <string>

#include "common/train/checkpoint.h"
#include "common/train/metrics.h"
#include "common/train/train_config.h"

namespace attnunet {

/// One row of metrics.csv.
struct EpochRow {
  int epoch = 0;
  double lr = 0, seconds = 0;
  Metrics train, val;
};

class RunFolder {
 public:
  /// Makes the folder of a new run, with config.json and metrics.csv's header.
  /// Throws Error where it holds a run already, is a file or cannot be written.
  static RunFolder create(const TrainConfig& config);

  /// Prepares config.out to continue the run that `config.resume` was saved by, where `checkpoint` is that file with
  /// its configuration replaced by `config`. In the run's own folder: rows of metrics.csv after the checkpoint are
  /// dropped. In another, which must not hold a run: metrics.csv up to the checkpoint is copied, and best.safetensors.
  /// A best.safetensors of an epoch that is dropped goes too; one that stays takes on the new number of epochs, so that
  /// the folder ends up as if the run had never been stopped.
  static RunFolder resume(const Checkpoint& checkpoint);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  std::filesystem::path csv() const { return path_ / "metrics.csv"; }

  /// Appends a row to metrics.csv, on disk when it returns; where that fails, no part of it stays.
  void append(const EpochRow& row) const;

 private:
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

/// The dataset folder that the config.json beside a checkpoint names, so that a run can be continued or evaluated
/// without --data; "" where there is none.
std::string recorded_data_folder(const std::filesystem::path& checkpoint);

}  // namespace attnunet
