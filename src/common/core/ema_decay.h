// The decay of one step of an exponential moving average, src/cpu/ema.h.
#pragma once

#include <algorithm>

#include "common/core/geometry.h"

namespace attnunet {

/// Of step number `step`, from 1: min(limit, (1 + step) / (10 + step)), with limit above 0 and below 1.
inline double ema_decay(double limit, Index step) {
  const double t = static_cast<double>(step);
  return std::min(limit, (1 + t) / (10 + t));
}

}  // namespace attnunet
