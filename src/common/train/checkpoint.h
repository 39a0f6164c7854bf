// A checkpoint: all that a run is at one moment, in a safetensors file that PyTorch can load.
//
// Tensors, float32, in PyTorch's names and layouts: the parameters and running statistics of Architecture, and Adam's
// moments as adam.m.NAME and adam.v.NAME of every parameter; with --ema also the averages of parameters and statistics
// as ema.NAME. No others. The best.safetensors of a run with --ema has the averages in place of the weights, and
// neither adam.* nor ema.*. Metadata, all strings: variant, base, size, seed, epoch (completed), step (of the
// optimiser, from the start), batch (batches done of the running epoch), sums (the running epoch's metric sums, hex
// floats), cases (a hash of the training and validation cases), best_val_iou (hex float; -inf before the first epoch),
// config (the JSON of what decides the result) and case_list (case_list.h; older checkpoints have none); with
// --patience also epochs_since_best; threshold (hex float), min_area and largest if evaluate --choose-threshold has
// stored them. A checkpoint that was trained before there were case lists read 16-bit images as
// --intensity full does, and says so once it is loaded.
// The same training gives the same bytes: nothing in it tells of time, place or threads.
//
// Weights that come back from PyTorch are read as well: without adam.*, as float16, bfloat16 or float64, or as a plain
// state_dict, which has no metadata and counts batches (num_batches_tracked, ignored). Training cannot be resumed from
// such a file, as it lacks part of the state.
#pragma once

#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "common/scores/metrics.h"
#include "common/train/case_list.h"
#include "common/train/train_config.h"

namespace attnunet {

struct Checkpoint {
  TrainConfig config;
  int epoch = 0;    ///< completed
  Index step = 0;   ///< optimiser steps since the start
  Index batch = 0;  ///< batches done of epoch + 1
  MetricSums sums;  ///< of those batches
  std::string cases;
  std::optional<CaseList> case_list;
  double best_val_iou = -std::numeric_limits<double>::infinity();
  int epochs_since_best =
      0;  ///< completed epochs since that of best_val_iou; stored, and so known, with --patience only
  // For predict, if evaluate --choose-threshold has stored them:
  std::optional<double> threshold;  ///< above 0 and below 1
  Index min_area = 0, largest = 0;  ///< which parts of a mask stay (predict/components.h); 0: all
  /// Flat buffers of Architecture, in our layout; gaps hold zeros. Adam's moments and the averages are empty if the
  /// file lacks them.
  std::vector<float> parameters, statistics, adam_m, adam_v, ema_parameters, ema_statistics;
  /// False if the file had none: then the network is that of its tensors, and all else in here has its default. A copy
  /// that evaluate --choose-threshold made of such a file has none either, but the size and keep_aspect that were given
  /// and what predict needs.
  bool has_metadata = true;
};

/// Which weights of a run with --ema.
enum class Weights { raw, ema };

template <>
struct Names<Weights> {
  static constexpr const char* option = "weights";
  static constexpr Name<Weights> table[] = {{Weights::raw, "raw"}, {Weights::ema, "ema"}};
};

/// The checkpoint with its averages in place of the weights, and without what training needs.
Checkpoint averaged(Checkpoint checkpoint);

/// Chooses the weights that a network is used with; the averages, if there are any, unless told otherwise. Says on one
/// line without an end which those are, "" for a run without --ema. Throws Error naming the file `path` if it lacks
/// them.
std::string choose_weights(Checkpoint& checkpoint, std::optional<Weights> asked, const std::string& path);

/// What training would need to go on and the file lacked, for a message; "" if it lacked nothing.
std::string lacking(const Checkpoint& checkpoint);

/// What was taken for granted for want of metadata, on one line without an end; "" if there was metadata. `size`: of
/// the images that the network is about to be used with.
std::string assumptions(const Checkpoint& checkpoint, const ImageSize& size);

/// What a checkpoint states for predict, as "threshold 0.37, min-area 20, largest 1"; "" if nothing.
std::string marking_text(const Checkpoint& checkpoint);

/// Initial weights of the configuration's seed, nothing trained.
Checkpoint initial_checkpoint(const TrainConfig& config);

/// Replaces the file as a whole or not at all; writes Adam's moments if there are any. Throws Error naming the file.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);

/// Throws Error, one line naming the file, if it is neither a whole and sane checkpoint nor the weights of one of our
/// networks, or if it holds another variant or base than asked for.
Checkpoint load_checkpoint(const std::filesystem::path& path, std::optional<Variant> variant = std::nullopt,
                           std::optional<int> base = std::nullopt);

/// The case list of a checkpoint, without reading its tensors. Throws Error as load_checkpoint does.
std::optional<CaseList> load_case_list(const std::filesystem::path& path);

/// 64-bit FNV-1a hash of the case names, so that a run is not continued on other data by mistake.
std::string hash_of_cases(const std::vector<std::string>& train, const std::vector<std::string>& val);

}  // namespace attnunet
