// The eight ways in which a square can be turned and mirrored onto itself.
#pragma once

#include <cstddef>

namespace attnunet {

constexpr int symmetries = 8;

/// Where pixel i of a turned square image comes from; of symmetry 0 it stays. Each is a transposition, then mirrored
/// rows, then mirrored columns, of which bits 0, 1 and 2 of `symmetry` tell whether they take place.
inline std::size_t source_pixel(int symmetry, std::size_t i, std::size_t size) {
  std::size_t y = i / size, x = i % size;
  if ((symmetry & 4) != 0) x = size - 1 - x;
  if ((symmetry & 2) != 0) y = size - 1 - y;
  return (symmetry & 1) != 0 ? x * size + y : y * size + x;
}

}  // namespace attnunet
