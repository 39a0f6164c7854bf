// What the metrics need to know about one image's pixels.
#pragma once

#include <cstdint>

namespace attnunet {

/// A pixel is predicted lesion where its logit > 0, and by Keras' MeanIoU on raw probabilities only where the float32
/// sigmoid is exactly 1 (logit >= 24 ln 2).
struct PixelCounts {
  std::int64_t tp = 0, fp = 0, fn = 0, tn = 0;  ///< prediction against truth; they add up to the pixels
  std::int64_t keras_tp = 0, keras_fp = 0;      ///< Keras' prediction against truth
};

}  // namespace attnunet
