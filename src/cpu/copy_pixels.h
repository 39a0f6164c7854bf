// Copies some channels of consecutive pixels between tensors that may have other channels as well.
#pragma once

#include <algorithm>

#include "common/core/geometry.h"

namespace attnunet::cpu {

/// `channels` numbers of each pixel. The strides are in elements, from one pixel to the next.
template <class T>
void copy_pixels(T* to, Index to_stride, const T* from, Index from_stride, Index pixels, Index channels) {
  if (to_stride == channels && from_stride == channels)
    std::copy_n(from, pixels * channels, to);
  else
    for (Index p = 0; p < pixels; ++p) std::copy_n(from + p * from_stride, channels, to + p * to_stride);
}

}  // namespace attnunet::cpu
