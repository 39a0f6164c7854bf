// Colour to grey, the same for every kind of image file.
#pragma once

#include <algorithm>
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

/// A sample of a range of `bits` bits to 0..255: fewer than 8 are stretched, of more the high ones are kept. White if
/// it is beyond the range.
inline std::uint8_t to_byte(int sample, int bits) {
  const int value = bits >= 8 ? sample >> (bits - 8) : sample * 255 / ((1 << bits) - 1);
  return static_cast<std::uint8_t>(std::min(value, 255));
}

}  // namespace attnunet::data
