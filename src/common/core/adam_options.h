#pragma once

#include "common/core/geometry.h"

namespace attnunet {

/// Hyperparameters of one Adam step (the math: src/cpu/adam.h); the defaults are those of torch.optim.Adam.
struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;  ///< decoupled (AdamW)
  Index step = 1;           ///< of this step, from 1 on
};

}  // namespace attnunet
