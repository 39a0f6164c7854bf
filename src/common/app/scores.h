// What evaluate and audit do alike: a checkpoint's configuration with what was asked for in its place, and the scores
// of cases by its network.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/data/dataset.h"
#include "common/scores/metrics.h"
#include "common/train/checkpoint.h"

namespace attnunet::app {

/// The checkpoint's configuration; in its place what `asked` says of the `given` options (names without dashes), and
/// always asked's backend, precision, conv, batch and threads. Without --data the folder that config.json beside the
/// checkpoint names. Throws UsageError as validate does.
TrainConfig merged_config(const Checkpoint& checkpoint, const std::string& path, const TrainConfig& asked,
                          const std::set<std::string>& given);

/// One image after a forward pass: its place among the cases, its logits and truth (0 or 1), [height, width] each.
using SeeImage = std::function<void(std::size_t place, const float* logits, const float* truth)>;

/// The checkpoints of an ensemble. Throws Error naming two files if they differ in the size of images or in how these
/// are prepared.
std::vector<Checkpoint> load_ensemble(const std::vector<std::string>& paths);

/// choose_weights() of each of the checkpoints, which were read from `paths`; returns what differs among its texts.
std::string choose_weights(std::vector<Checkpoint>& checkpoints, std::optional<Weights> asked,
                           const std::vector<std::string>& paths);

/// A mean of networks (predict/mean_logits.h): one checkpoint, or those of an ensemble.
struct Model {
  std::vector<Checkpoint> checkpoints;
  bool tta = false;
};

/// The scores of the cases (indices into the dataset), in their order; fewer where interrupted (signals.h). `see`,
/// where given, is called for every image in their order; its logits and truth are copied to the host for that.
std::vector<ImageScore> scores_of(const Model& model, const TrainConfig& config, const data::Dataset& dataset,
                                  const std::vector<std::size_t>& cases, const SeeImage& see = nullptr);

}  // namespace attnunet::app
