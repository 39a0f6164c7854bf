// Colour to grey, the same for every kind of image file.
#pragma once

#include <cstdint>

namespace attnunet::data {

/// (19595 R + 38470 G + 7471 B + 32768) >> 16, which is Pillow's, and leaves R = G = B as it is.
inline std::uint8_t luma(const unsigned char* rgb) {
  return static_cast<std::uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

/// The same of up to 16 bits a channel; the sum stays below 2^32.
inline std::uint16_t luma(const std::uint16_t* rgb) {
  return static_cast<std::uint16_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

}  // namespace attnunet::data
