// What one image's prediction comes to, in pixels: every metric but the loss follows from it.
#pragma once

#include <cstdint>

namespace attnunet {

struct PixelCounts {
  std::int64_t tp, fp, fn, tn;      ///< predicted lesion: logit > 0
  std::int64_t keras_tp, keras_fp;  ///< predicted lesion: the float32 sigmoid is exactly 1
};

/// tf.keras' MeanIoU(2) truncates probabilities to integers, so a pixel counts as lesion only where the probability is
/// exactly 1. In float32, 1 / (1 + e^-z) rounds to 1 once 1 + e^-z does, that is for e^-z <= 2^-24 (half a unit in the
/// last place of 1, a tie, rounds to even): z >= 24 ln 2.
constexpr float keras_lesion_logit = 16.635532f;

}  // namespace attnunet
