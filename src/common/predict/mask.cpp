#include "common/predict/mask.h"

#include <cmath>

#include "common/predict/components.h"

namespace attnunet {

data::Grey mask_of(const float* logits, int width, int height, const report::Marking& marking) {
  const double threshold = std::log(marking.threshold / (1 - marking.threshold));
  data::Grey mask{width, height, {}};
  const auto pixels = static_cast<std::size_t>(width) * static_cast<std::size_t>(height);
  mask.pixels.reserve(pixels);
  for (std::size_t i = 0; i < pixels; ++i) mask.pixels.push_back(static_cast<double>(logits[i]) > threshold ? 255 : 0);
  keep_components(mask, static_cast<std::size_t>(marking.min_area), static_cast<std::size_t>(marking.largest));
  return mask;
}

}  // namespace attnunet
