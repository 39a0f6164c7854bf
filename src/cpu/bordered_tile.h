// Rows of an image copied to scratch memory with zero pixels around them, as 3x3 convolutions read them.
#pragma once

#include <algorithm>

#include "cpu/copy_pixels.h"

namespace attnunet::cpu {

/// Rows begin - 1 .. begin + rows of the image x [H,W], whose pixels are x_pixel elements apart, as rows of W + 1
/// pixels of C elements: a zero pixel, then the row's, so that the zero after a row is the one before the next. One
/// more zero pixel follows the last row; rows outside of the image are zeros. Fills ((rows + 2) (W + 1) + 1) C
/// elements.
template <class T>
void load_bordered(T* scratch, const T* x, Index x_pixel, Index H, Index W, Index C, Index begin, Index rows) {
  for (Index h = begin - 1; h <= begin + rows; ++h, scratch += (W + 1) * C) {
    std::fill_n(scratch, C, T(0));
    if (h < 0 || h >= H)
      std::fill_n(scratch + C, W * C, T(0));
    else
      copy_pixels(scratch + C, C, x + h * W * x_pixel, x_pixel, W, C);
  }
  std::fill_n(scratch, C, T(0));
}

}  // namespace attnunet::cpu
