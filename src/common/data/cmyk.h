// Inks to colours, the same for every kind of image file.
#pragma once

#include <cstdint>

namespace attnunet::data {

/// R = (255 - K) - C (255 - K) / 255, rounded, and likewise for G and B: Pillow's conversion, to 8 bits. An ink of 0 is
/// no ink.
inline void cmyk_to_rgb(const unsigned (&inks)[4], std::uint16_t* rgb) {
  const unsigned white = 255 - inks[3];
  for (int c = 0; c < 3; ++c) {
    const unsigned product = inks[c] * white + 128;
    rgb[c] = static_cast<std::uint16_t>(white - ((product + (product >> 8)) >> 8));
  }
}

}  // namespace attnunet::data
