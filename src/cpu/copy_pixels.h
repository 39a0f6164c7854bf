// Copies some channels of consecutive pixels between tensors that may have other channels as well.
#pragma once

#include <algorithm>

#include "common/core/geometry.h"

namespace attnunet::cpu {

/// `channels` numbers of each pixel; from one pixel to the next it is to_pixel and from_pixel elements.
template <class T>
void copy_pixels(T* to, Index to_pixel, const T* from, Index from_pixel, Index pixels, Index channels) {
  if (to_pixel == channels && from_pixel == channels)
    std::copy_n(from, pixels * channels, to);
  else
    for (Index p = 0; p < pixels; ++p) std::copy_n(from + p * from_pixel, channels, to + p * to_pixel);
}

}  // namespace attnunet::cpu
