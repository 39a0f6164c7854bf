// How far a training is: a bar that rewrites its line on a terminal; elsewhere a plain line now and then.
#pragma once

#include <chrono>

#include "common/train/trainer.h"

namespace attnunet::app {

class ProgressDisplay {
 public:
  /// Numbers of images of an epoch. Where quiet, nothing is shown.
  ProgressDisplay(Index training_images, Index validation_images, bool quiet);

  void update(const TrainProgress& progress);
  void finish_epoch(const EpochRow& row, int epochs, bool best);
  /// Removes the bar.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  Index training_images_, validation_images_;
  bool quiet_, terminal_, bar_shown_ = false;
  Clock::time_point begin_ = Clock::now(), shown_ = begin_;
  double first_work_ = -1;  // where this process began
};

}  // namespace attnunet::app
