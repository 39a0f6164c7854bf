// Training: epochs of steps, validation, metrics, checkpoints.
//
// One step:  batch -> forward -> loss and counts per image -> backward -> clipping, if asked for -> Adam
//            -> the average of the weights, if asked for (weight_average.h).
// One epoch: the training cases in the order of (seed, epoch), or in case order, or balanced draws of them
//            (data/balance.h); the last batch may be smaller; then
//            validation, a row of metrics.csv, best.safetensors where the validation IoU is the best so far, and
//            last.safetensors.
// The state between two steps is a Checkpoint, whole: weights, statistics, Adam's moments, the place in the epoch and
// its metric sums. Everything random is a function of (seed, epoch, step, case), nothing is carried along. So a run
// stopped at any step and resumed gives the bits of the run that was never stopped.
// The row is written first, then the best checkpoint, then the last: whatever moment a process dies at, resuming from
// last.safetensors finds nothing missing and drops what is too much. What its owner writes after an epoch (panels, the
// report) comes after that, so that nothing is lost where it fails; a resumed run makes up for it.
// The files of the cases are watched (data/watch.h): nothing that may have seen a changed one is saved, and the run
// ends. On a device whose reads make the host wait (B::reads_wait) the host only gives orders during an epoch: the
// cases lie on the device where they fit, and scores are read when all steps of the epoch are under way, or where it is
// interrupted. The files are the same.
// A run whose loss is not finite ends and names the first such step: at that step, on a device less than 64 steps later
// (divergence_watch.h). last.safetensors stays as it was.
// Proof: tests/trainer_test.cpp
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/core/adam_options.h"
#include "common/core/error.h"
#include "common/core/random.h"
#include "common/data/balance.h"
#include "common/data/split.h"
#include "common/data/watch.h"
#include "common/train/cases.h"
#include "common/train/checkpoint.h"
#include "common/train/device_memory.h"
#include "common/train/divergence_watch.h"
#include "common/train/evaluator.h"
#include "common/train/lr_schedule.h"
#include "common/train/run_folder.h"
#include "common/train/scorer.h"
#include "common/train/weight_average.h"

namespace attnunet {

/// Where a run is, told after each batch.
struct TrainProgress {
  int epoch = 0, epochs = 0;
  bool validating = false;
  Index images = 0, of_images = 0;  ///< of this epoch's training, or of its validation
  Index scored = 0;                 ///< the epoch's training images whose scores are known
  double loss = 0, iou = 0;         ///< means over those, where there are any
};

/// How the run's owner follows and stops it.
struct TrainCallbacks {
  std::function<void(const TrainProgress&)> progress = [](const TrainProgress&) {};
  /// Told when an epoch is done with all its files. The row's seconds are of all that; those of metrics.csv, which is
  /// written before the files, are of steps and validation alone.
  std::function<void(const EpochRow&, bool best)> epoch = [](const EpochRow&, bool) {};
  /// Told before that with the epoch, the network in its state and the scores of the validation cases; and before a
  /// resumed run goes on where files_missing says that this did not happen.
  std::function<void(int epoch, const std::vector<ImageScore>& validation)> files;
  std::function<bool(int epoch)> files_missing = [](int) { return false; };
  std::function<bool()> interrupted = [] { return false; };  ///< asked between steps
};

/// A new run: initial weights of the seed, or those of the checkpoint config.init, of which it takes parameters
/// and running statistics. The case list is empty but for what that checkpoint was trained on. Throws Error if that is
/// a checkpoint of another network.
Checkpoint new_run(const TrainConfig& config);

template <class B>
class Trainer {
 public:
  using T = typename B::Scalar;
  static_assert(std::is_same_v<T, float>,
                "checkpoints are float32: training in another precision could not be resumed");

  /// `start` is new_run(config) or a loaded checkpoint with its configuration replaced by resumed_config's. All memory
  /// of training is allocated here. Throws Error where the device has too little, or the cases are not those the
  /// checkpoint was trained with; UsageError where it has done more epochs than config.epochs.
  Trainer(typename B::Device& device, const data::Dataset& dataset, const data::Split& split, const Checkpoint& start,
          const RunFolder& folder);

  /// True when all epochs are done or --patience ends the training, false where it was interrupted; last.safetensors is
  /// the state either way. Throws Error where the loss is not finite or a file of the dataset changed (last.safetensors
  /// is then the last good state), or a file fails.
  bool run(const TrainCallbacks& callbacks);

  /// What is validated and saved as best.safetensors: with --ema the network of the averages.
  AttentionUNet<B>& network() { return average_ ? average_->network() : network_; }
  /// Why --patience ends the training in its present state (end_by_patience); "" if it does not.
  std::string early_end() const { return end_by_patience(state_.config, state_.epoch, state_.epochs_since_best); }

 private:
  using Clock = std::chrono::steady_clock;

  bool run_epoch(const TrainCallbacks& callbacks);
  void step();
  double lr_of_step(Index step) const;
  void read_scores(Index images);
  void finish_epoch(const std::vector<ImageScore>& validation, Clock::time_point begin,
                    const TrainCallbacks& callbacks);
  std::vector<std::size_t> epoch_order(int epoch) const;
  Index images_done() const { return std::min(state_.batch * state_.config.batch, images()); }
  bool is_cached() const { return !memory_.cached.empty(); }
  Index images() const { return static_cast<Index>(split_.train.size()); }
  void fetch_state();
  void require_unchanged_dataset() const;
  Error diverged(const std::string& what, Index step) const;

  typename B::Device& device_;
  data::Split split_;
  std::vector<std::vector<std::size_t>> groups_;  // of the training cases, with --balance
  TrainingMemory memory_;
  Checkpoint state_;  // weights and moments are the device's as of the last fetch_state
  RunFolder folder_;
  data::Watch watch_;  // before the first case is read
  AttentionUNet<B> network_;
  typename B::template Buffer<T> adam_m_, adam_v_;
  typename B::template Buffer<double> clip_scratch_;
  std::optional<WeightAverage<B>> average_;
  AttentionUNetTape<B> tape_;
  CachedCases<B> cached_;
  BatchFeed<B> feed_;
  Scorer<B> scorer_;
  DivergenceWatch<B> divergence_;
  Evaluator<B> evaluator_;
};

template <class B>
Trainer<B>::Trainer(typename B::Device& device, const data::Dataset& dataset, const data::Split& split,
                    const Checkpoint& start, const RunFolder& folder)
    : device_(device),
      split_(split),
      groups_(data::balance_groups(dataset, split.train, start.config.balance, start.config.size)),
      memory_(plan_training_memory<B>(device, start.config, split)),
      state_(start),
      folder_(folder),
      watch_(dataset, data::all_cases(split)),
      network_(device, make_architecture(start.config.network), true),
      adam_m_(device, network_.architecture().parameter_elements),
      adam_v_(device, network_.architecture().parameter_elements),
      clip_scratch_(device, start.config.clip_norm > 0 ? clip_norm_scratch(adam_m_.size()) : 0),
      tape_(device, network_.architecture(), useful_batch(split, start.config.batch), start.config.size.height,
            start.config.size.width, Purpose::training),
      cached_(device, dataset, memory_.cached, start.config.size, start.config.threads),
      feed_(device, is_cached() && start.config.augment == data::Augment::none ? &cached_ : nullptr, dataset,
            start.config.size, start.config.augment, start.config.seed, tape_.batch, images()),
      scorer_(device, start.config.loss, tape_.batch, start.config.size.pixels(), images()),
      divergence_(device),
      evaluator_(device, dataset, start.config.size, start.config.loss, tape_.batch,
                 static_cast<Index>(split.val.size()), is_cached() ? &cached_ : nullptr) {
  require_cases(state_.cases, dataset, split);
  state_.cases = hash_of_cases(names_of(dataset, split.train), names_of(dataset, split.val));
  if (state_.epoch > state_.config.epochs)
    throw UsageError("--epochs " + std::to_string(state_.config.epochs) + " is out of range: the checkpoint has done " +
                     std::to_string(state_.epoch) + " epochs already");
  if (state_.sums.images() != images_done())
    throw Error("cannot use checkpoint " + state_.config.resume + ": its place in the epoch is damaged; use another");
  network_.load({state_.parameters.begin(), state_.parameters.end()},
                {state_.statistics.begin(), state_.statistics.end()});
  copy_to_device(device_, adam_m_.data(), state_.adam_m.data(), adam_m_.size());
  copy_to_device(device_, adam_v_.data(), state_.adam_v.data(), adam_v_.size());
  if (state_.config.ema > 0)
    average_.emplace(device_, network_.architecture(), state_.config.ema, state_.ema_parameters, state_.ema_statistics);
}

template <class B>
bool Trainer<B>::run(const TrainCallbacks& callbacks) {
  // Before any work: a folder that cannot be written to shows now, and there is always a last good state.
  folder_.begin(state_);
  if (state_.epoch > 0 && state_.batch == 0 && callbacks.files_missing(state_.epoch)) {
    const std::vector<ImageScore> validation =
        evaluator_.run(network(), tape_, split_.val, [&](Index) { return !callbacks.interrupted(); });
    if (validation.size() < split_.val.size()) return false;
    callbacks.files(state_.epoch, validation);
  }
  while (state_.epoch < state_.config.epochs && early_end().empty()) {
    if (run_epoch(callbacks)) continue;
    require_unchanged_dataset();
    fetch_state();
    save_checkpoint(folder_.last(), state_);
    return false;
  }
  return true;
}

/// False where it was interrupted, between two steps or within validation (which changes nothing and is done again).
template <class B>
bool Trainer<B>::run_epoch(const TrainCallbacks& callbacks) {
  const Clock::time_point begin = Clock::now();
  TrainProgress progress;
  progress.epoch = state_.epoch + 1;
  progress.epochs = state_.config.epochs;
  progress.of_images = images();
  const auto report = [&] {
    progress.scored = state_.sums.images();
    if (progress.scored > 0) {
      const Metrics so_far = state_.sums.metrics();
      progress.loss = so_far.loss;
      progress.iou = so_far.iou;
    }
    callbacks.progress(progress);
  };
  feed_.start(epoch_order(progress.epoch), static_cast<std::uint32_t>(progress.epoch), state_.config.batch,
              state_.batch);
  bool interrupted = callbacks.interrupted();
  while (!interrupted && !feed_.at_end()) {
    step();
    progress.images = images_done();
    report();
    interrupted = callbacks.interrupted();
  }
  read_scores(images_done());
  if (interrupted) return false;

  progress.validating = true;
  progress.of_images = static_cast<Index>(split_.val.size());
  const std::vector<ImageScore> validation = evaluator_.run(network(), tape_, split_.val, [&](Index images) {
    progress.images = images;
    report();
    return !callbacks.interrupted();
  });
  if (validation.size() < split_.val.size()) return false;
  finish_epoch(validation, begin, callbacks);
  return true;
}

/// On a GPU nothing in here waits or allocates. What the host decides anew for each step are arguments of kernels, so a
/// graph captured once would have to get them another way: Pass::step (in the key of every dropout layer), the learning
/// rate and the two bias corrections (adam_step), the number of the step (record_divergence), the batch's place in the
/// epoch (batch_input's `cases`, the address of its scores) and, in an epoch's last batch, the number of images (grids
/// and sizes of all kernels). Outside of the graph stay the uploads of a feed that is not cached and the watch's
/// copies.
template <class B>
void Trainer<B>::step() {
  const Pass pass{true, state_.config.seed, static_cast<std::uint32_t>(state_.step)};
  const Index first = images_done();
  tape_.set_batch(feed_.next(tape_.input, scorer_.target()));
  network_.forward(tape_, pass);
  scorer_.score(tape_, first);
  const Index bad_step = divergence_.look(scorer_.batch_losses(first), tape_.batch, state_.step + 1);
  if (bad_step > 0) throw diverged("the loss", bad_step);
  if (!B::reads_wait) read_scores(first + tape_.batch);
  scorer_.backward(tape_);
  network_.backward(tape_, pass);
  if (state_.config.clip_norm > 0)
    clip_norm(device_, network_.mutable_gradients(), clip_scratch_.data(), adam_m_.size(), state_.config.clip_norm);
  AdamOptions options;
  options.step = ++state_.step;
  options.lr = lr_of_step(state_.step);
  options.weight_decay = state_.config.weight_decay;
  adam_step(device_, network_.mutable_parameters(), adam_m_.data(), adam_v_.data(), network_.gradients(),
            adam_m_.size(), options);
  if (average_) average_->follow(network_, state_.step);
  ++state_.batch;
}

/// In the running epoch; steps count from 1.
template <class B>
double Trainer<B>::lr_of_step(Index step) const {
  const TrainConfig& config = state_.config;
  const Index steps_of_epoch = (images() + config.batch - 1) / config.batch;
  return learning_rate(config.lr_schedule, config.lr, state_.epoch, config.epochs) *
         warmup_factor(step, config.warmup * static_cast<double>(steps_of_epoch));
}

/// The scores of the epoch's first images, as far as they are not known, into the sums: one read for all of them.
template <class B>
void Trainer<B>::read_scores(Index images) {
  const Index known = state_.sums.images();
  if (known == images) return;
  scorer_.read(known, images, [&](const ImageScore& score) {
    const Index batch = state_.sums.images() / state_.config.batch;
    if (!std::isfinite(score.loss)) throw diverged("the loss", state_.step - state_.batch + batch + 1);
    state_.sums.add(score);
  });
}

template <class B>
void Trainer<B>::finish_epoch(const std::vector<ImageScore>& validation, Clock::time_point begin,
                              const TrainCallbacks& callbacks) {
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  EpochRow row;
  row.seconds = seconds();
  MetricSums sums;
  for (const ImageScore& score : validation) {
    if (!std::isfinite(score.loss)) throw diverged("the validation loss", state_.step);
    sums.add(score);
  }
  require_unchanged_dataset();
  fetch_state();
  row.epoch = state_.epoch + 1;
  row.lr = lr_of_step(state_.step);
  row.train = state_.sums.metrics();
  row.val = sums.metrics();
  folder_.append(row);

  const bool best = row.val.iou > state_.best_val_iou;
  if (best) state_.best_val_iou = row.val.iou;
  state_.epochs_since_best = best ? 0 : state_.epochs_since_best + 1;
  ++state_.epoch;
  state_.batch = 0;
  state_.sums = MetricSums();
  if (best) save_checkpoint(folder_.best(), average_ ? averaged(state_) : state_);
  save_checkpoint(folder_.last(), state_);
  if (callbacks.files) callbacks.files(row.epoch, validation);
  row.seconds = seconds();
  callbacks.epoch(row, best);
}

template <class B>
std::vector<std::size_t> Trainer<B>::epoch_order(int epoch) const {
  if (state_.config.balance != data::Balance::none)
    return data::balanced_order(groups_, state_.config.seed, static_cast<std::uint32_t>(epoch));
  std::vector<std::size_t> order = split_.train;
  Random random(state_.config.seed, streams::epoch_order, static_cast<std::uint32_t>(epoch));
  if (!state_.config.no_shuffle) shuffle(order, random);
  return order;
}

/// Device to host. A state with a number that is not finite must not replace a good checkpoint.
template <class B>
void Trainer<B>::fetch_state() {
  const auto fetch = [&](const char* what, std::vector<float>& host, const T* source) {
    copy_to_host(device_, host.data(), source, static_cast<Index>(host.size()));
    if (!std::all_of(host.begin(), host.end(), [](float value) { return std::isfinite(value); }))
      throw diverged(what, state_.step);
  };
  fetch("a weight", state_.parameters, network_.parameters());
  fetch("a running statistic", state_.statistics, network_.statistics());
  fetch("a moment of Adam", state_.adam_m, adam_m_.data());
  fetch("a moment of Adam", state_.adam_v, adam_v_.data());
  if (!average_) return;
  fetch("an average of the weights", state_.ema_parameters, average_->parameters());
  fetch("an average of the weights", state_.ema_statistics, average_->statistics());
}

template <class B>
void Trainer<B>::require_unchanged_dataset() const {
  const std::string change = watch_.change();
  if (!change.empty())
    throw Error("the dataset changed while it was trained on: " + change + " in epoch " +
                std::to_string(state_.epoch + 1) + ". " + folder_.last().string() +
                " holds the state before that; put the file back and continue with --resume, or start anew");
}

template <class B>
Error Trainer<B>::diverged(const std::string& what, Index step) const {
  char lr[40];
  std::snprintf(lr, sizeof lr, "%g", lr_of_step(step));
  return Error(what + " is not finite in epoch " + std::to_string(state_.epoch + 1) + ", step " + std::to_string(step) +
               " (learning rate " + lr + "): the training diverged; use a smaller --lr. " + folder_.last().string() +
               " holds the last good state");
}

}  // namespace attnunet
