// Everything that `train` can be told, with its defaults.
//
// An option has one name: the flag without its dashes is also its key in config.json and in a checkpoint.
// Two parts. What decides the result (the same values give the same bits) goes into the checkpoint; threads, folders,
// --resume and --init do not and stand in config.json only. The number of epochs and the patience are in the
// checkpoint, since a resumed run needs them and two learning rate schedules depend on the former, but --resume may
// change both.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/core/backend.h"
#include "common/core/geometry.h"
#include "common/core/image_size.h"
#include "common/data/augment.h"
#include "common/data/balance.h"
#include "common/data/reading.h"
#include "common/data/split.h"
#include "common/nn/architecture.h"
#include "common/train/loss.h"
#include "common/train/lr_schedule.h"

namespace attnunet {

struct TrainConfig {
  NetworkConfig network;
  Backend backend = Backend::cpu;
  Precision precision = Precision::float32;
  ConvMethod conv = ConvMethod::automatic;
  ImageSize size = 256;
  Index batch = 16;
  int epochs = 20;
  double lr = 1e-3, weight_decay = 0;
  LrSchedule lr_schedule = LrSchedule::constant;
  double warmup = 0;     ///< epochs, may be a fraction
  double clip_norm = 0;  ///< largest norm of all gradients together; 0: any
  double ema = 0;        ///< decay of the average of the weights; 0: none
  int patience = 0;      ///< epochs without a better validation IoU after which training ends; 0: all epochs
  LossConfig loss;
  data::Augment augment = data::Augment::none;
  data::Balance balance = data::Balance::none;
  std::uint64_t seed = 0;
  bool no_shuffle = false;
  data::Reading reading;             ///< how files become pixels; the command fills in intensity.bits of a new run
  std::vector<std::string> classes;  ///< empty: all
  data::SplitKind split = data::SplitKind::grouped;  ///< of no effect with lists or folds
  int folds = 0, fold = 0;                           ///< folds 0: no cross-validation
  std::string train_list, val_list;                  ///< files of case names; both or none
  std::string test_list;                             ///< if wanted, with the other two
  double test_part = 0;                              ///< share of the cases to test on; with folds the fold tests
  std::string data = "data/BUSI", out;               ///< out empty: runs/VARIANT-DATE-TIME
  std::string init, resume;                          ///< checkpoints
  int threads = 1;
  bool quiet = false;
  int panels = 1;  ///< pictures after every epoch
  /// With lists: the names they hold, so that a checkpoint needs no lists. The command fills them in.
  std::vector<std::string> train_cases, val_cases, test_cases;
  std::string protocol;  ///< protocol_text of the split; the command fills it in
  std::string files;     ///< data::hash_of_file_sizes of the cases; the command fills it in
};

/// What data::make_split is told.
data::SplitOptions split_options(const TrainConfig& config);

/// Throws UsageError naming the flag and what it may be. NaN is out of every range.
void validate(const TrainConfig& config);

/// Why --patience ends a training after so many epochs, the last epochs_since_best of which brought no better
/// validation IoU; "" if it does not. A sentence without its full stop.
std::string end_by_patience(const TrainConfig& config, int epochs_done, int epochs_since_best);

/// The images that the network is fed, for people: "256 x 256", or "192 x 256 (height x width), keep-aspect".
std::string images_text(const TrainConfig& config);

/// All of it, for people: config.json.
std::string config_json(const TrainConfig& config);
/// What decides the result, on one line, for the checkpoint.
std::string deciding_json(const TrainConfig& config);
/// From deciding_json; the rest has its defaults. Throws Error saying what is wrong with the text.
TrainConfig parse_deciding_json(const std::string& text);

/// The configuration of `train --resume`: the stored one with what may differ taken from `given`, whose options
/// `given_options` (names without dashes) were on the command line. An option that may not differ and does is a
/// UsageError. Without --out the run stays in the folder of the checkpoint.
/// If lists are given, given.train_cases, val_cases and test_cases must have been filled in.
TrainConfig resumed_config(const TrainConfig& stored, const TrainConfig& given,
                           const std::set<std::string>& given_options);

}  // namespace attnunet
