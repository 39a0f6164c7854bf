// The ways in which an image can be turned and mirrored onto itself: eight of a square, four of any other rectangle.
#pragma once

#include <cstddef>

#include "common/core/image_size.h"

namespace attnunet {

/// The symmetries are numbered from 0 to 7. Each is a transposition, then mirrored rows, then mirrored columns, of
/// which bits 0, 1 and 2 of the number tell whether they take place.
constexpr int symmetries = 8;

/// A transposition changes the size of what is not a square.
inline bool keeps_size(int symmetry, const ImageSize& size) {
  return size.is_square() || (symmetry & 1) == 0;
}

/// Where pixel i of a turned image comes from; with symmetry 0 it stays. The symmetry keeps the size.
inline std::size_t source_pixel(int symmetry, std::size_t i, const ImageSize& size) {
  const auto height = static_cast<std::size_t>(size.height), width = static_cast<std::size_t>(size.width);
  std::size_t y = i / width, x = i % width;
  if ((symmetry & 4) != 0) x = width - 1 - x;
  if ((symmetry & 2) != 0) y = height - 1 - y;
  return (symmetry & 1) != 0 ? x * width + y : y * width + x;
}

}  // namespace attnunet
