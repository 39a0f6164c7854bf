// The folder of a run: config.json, metrics.csv, last.safetensors, best.safetensors, panels in epochs/, report.html.
//
// One process at a time writes it: whoever has a RunFolder holds a lock (flock) on the empty file .lock in it, taken
// before anything else is looked at or written. The kernel releases it with the process, however that ends, so the file
// stays and means nothing by itself. Linux carries flock over NFS as well; a file system that knows no locks does
// without.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/scores/metrics.h"
#include "common/train/checkpoint.h"
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
  /// The folder of a new run, made where it is missing.
  /// Throws Error where it holds a run already, is a file or cannot be made, or another process is writing it.
  static RunFolder create(const TrainConfig& config);

  /// The folder config.out for continuing the run that `config.resume` was saved by, where `checkpoint` is that file
  /// with its configuration replaced by `config`: the run's own folder, or another, which must not hold a run.
  /// Throws Error as create does.
  static RunFolder resume(const Checkpoint& checkpoint);

  /// Until here no file was touched. Writes config.json, the checkpoint as last.safetensors, and metrics.csv: its
  /// header, and where a run is resumed the rows up to the checkpoint. A best.safetensors comes along to another
  /// folder, is removed where its epoch is one of those dropped, and takes on the new number of epochs and the new
  /// patience, so that the folder ends up as if the run had never been stopped; the panels of the epochs likewise. What
  /// a killed process left unfinished is removed.
  void begin(const Checkpoint& start) const;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path last() const { return path_ / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "best.safetensors"; }
  std::filesystem::path csv() const { return path_ / "metrics.csv"; }
  std::filesystem::path report() const { return path_ / "report.html"; }
  std::filesystem::path panels() const { return path_ / "epochs"; }
  /// epochs/epoch-007-NAME.png
  std::filesystem::path panel(int epoch, const std::string& name) const;

  /// Appends a row to metrics.csv, on disk when it returns; where that fails, no part of it stays.
  void append(const EpochRow& row) const;

 private:
  explicit RunFolder(std::filesystem::path path);
  void take_over_best(const Checkpoint& start, bool in_place) const;
  void take_over_panels(int epoch, bool in_place) const;

  std::filesystem::path path_;
  std::shared_ptr<const int> lock_;  // a descriptor, closed with the last copy
  std::filesystem::path from_;       // the folder of the run that is resumed
  std::string rows_;                 // what metrics.csv begins with
};

/// The rows of a run's metrics.csv. Throws Error naming the file where it is missing or not such a file.
std::vector<EpochRow> read_metrics(const std::filesystem::path& csv);

/// The dataset folder that the config.json beside a checkpoint names, so that a run can be continued or evaluated
/// without --data; "" where there is none.
std::string recorded_data_folder(const std::filesystem::path& checkpoint);
/// TrainConfig::files as that config.json has it; "" where it does not.
std::string recorded_files(const std::filesystem::path& checkpoint);
/// The number of panels that it names; `otherwise` where it names none.
int recorded_panels(const std::filesystem::path& checkpoint, int otherwise);

}  // namespace attnunet
