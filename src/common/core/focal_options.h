#pragma once

namespace attnunet {

/// The numbers of the focal loss (the math: src/cpu/focal.h); the defaults are those of Lin et al. 2017.
struct FocalOptions {
  double gamma = 2;     ///< how much less a pixel that is already right counts, at least 0
  double alpha = 0.25;  ///< weight of lesion pixels, 0 to 1; the others have 1 - alpha
};

}  // namespace attnunet
