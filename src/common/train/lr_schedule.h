// The learning rate of an epoch. With e = epochs done so far (0 .. E-1) and E the planned number:
//   constant  lr
//   cosine    lr (1 + cos(pi e / E)) / 2      (torch.optim.lr_scheduler.CosineAnnealingLR, T_max = E, stepped by epoch)
//   poly      lr (1 - e / E)^0.9              (nnU-Net's PolyLRScheduler)
// The rate stays for the whole epoch and never reaches 0. It is a function of (e, E) alone: where a run is resumed
// with another number of epochs, the remaining ones take the rates of a run planned so from the start.
//
// A warm-up multiplies the rates of the first steps by a factor that rises linearly to 1. It is a function of the
// number of the step alone.
#pragma once

#include <cmath>

#include "common/core/geometry.h"
#include "common/core/names.h"

namespace attnunet {

enum class LrSchedule { constant, cosine, poly };

template <>
struct Names<LrSchedule> {
  static constexpr const char* option = "lr-schedule";
  static constexpr Name<LrSchedule> table[] = {
      {LrSchedule::constant, "constant"}, {LrSchedule::cosine, "cosine"}, {LrSchedule::poly, "poly"}};
};

/// epochs_done in 0 .. epochs-1.
inline double learning_rate(LrSchedule schedule, double lr, int epochs_done, int epochs) {
  const double share = static_cast<double>(epochs_done) / static_cast<double>(epochs);
  switch (schedule) {
    case LrSchedule::constant:
      return lr;
    case LrSchedule::cosine:
      return lr * 0.5 * (1.0 + std::cos(3.14159265358979323846 * share));
    case LrSchedule::poly:
      return lr * std::pow(1.0 - share, 0.9);
  }
  no_such_value(schedule);
}

/// Of step number `step` (from 1) if the warm-up takes `steps` steps, which may be a fraction: step / steps, at most 1.
/// The rate of 0 would be that of a step 0, so no step is lost.
inline double warmup_factor(Index step, double steps) {
  const double done = static_cast<double>(step);
  return done < steps ? done / steps : 1.0;
}

}  // namespace attnunet
