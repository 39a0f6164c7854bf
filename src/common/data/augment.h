// Random changes to a training sample. What happens to a case depends on (seed, epoch, case) only, not on threads or on
// the place in a batch.
//   light   flips left-right and up-down and a quarter turn, each with probability 1/2 (turns where the image is
//           square): the eight symmetries of the square, equally likely
//   strong  light, then one affine map (turn up to 15 degrees, scale 0.9 to 1.1, shift up to 8 % of each side), then
//           contrast 0.8 to 1.2, brightness up to 25 of 255, gamma 0.8 to 1.25, and multiplicative speckle of a
//           standard deviation up to 0.1; all uniform
// Image and mask move together: the image bilinear with its edge replicated, the mask by the nearest pixel, 0 outside.
#pragma once

#include <cstdint>

#include "common/core/names.h"
#include "common/data/sample.h"

namespace attnunet {
namespace data {

enum class Augment { none, light, strong };

}  // namespace data

template <>
struct Names<data::Augment> {
  static constexpr const char* option = "augment";
  static constexpr Name<data::Augment> table[] = {
      {data::Augment::none, "none"}, {data::Augment::light, "light"}, {data::Augment::strong, "strong"}};
};

namespace data {

/// Changes the sample in place; its size stays. Nothing is allocated once a thread has seen the size.
void augment(Sample& sample, Augment kind, std::uint64_t seed, std::uint32_t epoch, std::uint32_t case_index);

}  // namespace data
}  // namespace attnunet
