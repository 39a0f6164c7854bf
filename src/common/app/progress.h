// How far a training is.
#pragma once

#include <chrono>

#include "common/io/status_line.h"
#include "common/train/trainer.h"

namespace attnunet::app {

class ProgressDisplay {
 public:
  /// Numbers of images of an epoch. Where quiet, nothing is shown.
  ProgressDisplay(Index training_images, Index validation_images, bool quiet);

  void update(const TrainProgress& progress);
  void finish_epoch(const EpochRow& row, int epochs, bool best);
  /// Removes the bar.
  void clear() { line_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;

  Index training_images_, validation_images_;
  bool quiet_;
  StatusLine line_;
  Clock::time_point begin_ = Clock::now();
  double first_work_ = -1;  // where this process began
};

}  // namespace attnunet::app
