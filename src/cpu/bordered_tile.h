// Rows of an image copied to scratch memory with zero pixels around them, as 3x3 convolutions read them.
#pragma once

#include <algorithm>

#include "cpu/copy_pixels.h"
#include "cpu/matrix_product.h"

namespace attnunet::cpu {

/// Elements rounded up to whole cache lines, whatever T: pieces of scratch memory begin on them.
inline Index whole_cache_lines(Index elements) {
  return (elements + 15) / 16 * 16;
}

/// Rows begin - 1 .. begin + rows of one image of H rows, as rows of W + 1 pixels of C elements: a zero pixel, then the
/// row's W pixels, so that the zero after a row is the one before the next. One more zero pixel follows the last row;
/// rows outside of the image are zeros. Fills ((rows + 2) (W + 1) + 1) C elements, with C and W H the image's rows and
/// columns as a matrix.
template <class T>
void load_bordered(T* scratch, Matrix<const T> image, Index H, Index begin, Index rows) {
  const Index C = image.rows, W = image.columns / H;
  for (Index h = begin - 1; h <= begin + rows; ++h, scratch += (W + 1) * C) {
    std::fill_n(scratch, C, T(0));
    if (h < 0 || h >= H)
      std::fill_n(scratch + C, W * C, T(0));
    else
      copy_pixels(scratch + C, C, image.data + h * W * image.stride, image.stride, W, C);
  }
  std::fill_n(scratch, C, T(0));
}

template <class T>
bool all_finite(const T* values, Index n) {
  bool finite = true;
  for (Index i = 0; i < n; ++i) finite &= values[i] - values[i] == 0;  // NaN - NaN and infinity - infinity are NaN
  return finite;
}

/// Whether the first and the last pixel of every row of such a tile are finite.
template <class T>
bool row_ends_are_finite(const T* scratch, Index W, Index C, Index rows) {
  bool finite = true;
  for (Index row = 0; row < rows + 2; ++row) {
    const T* first = scratch + (row * (W + 1) + 1) * C;
    const T* last = first + (W - 1) * C;
    finite &= all_finite(first, C) && all_finite(last, C);
  }
  return finite;
}

}  // namespace attnunet::cpu
