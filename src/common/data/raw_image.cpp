#include "common/data/raw_image.h"

#include "common/data/luma.h"

namespace attnunet::data {
namespace {

/// To 0..255: fewer than 8 bits are stretched, of more the high ones are kept.
std::uint8_t to_byte(std::uint16_t sample, int bits) {
  const unsigned value = sample;
  return static_cast<std::uint8_t>(bits >= 8 ? value >> (bits - 8) : value * 255 / ((1u << bits) - 1));
}

}  // namespace

Grey luma_of(const RawImage& image) {
  Grey grey{image.width, image.height, {}};
  grey.pixels.resize(static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height));
  const std::uint16_t* sample = image.samples.data();
  for (std::uint8_t& pixel : grey.pixels) {
    unsigned char channels[3] = {};
    for (int c = 0; c < image.channels; ++c) channels[c] = to_byte(*sample++, image.bits);
    pixel = image.channels == 1 ? channels[0] : luma(channels);
  }
  return grey;
}

bool is_coloured(const RawImage& image) {
  if (image.channels == 1) return false;
  for (std::size_t i = 0; i + 2 < image.samples.size(); i += 3)
    if (to_byte(image.samples[i], image.bits) != to_byte(image.samples[i + 1], image.bits) ||
        to_byte(image.samples[i + 1], image.bits) != to_byte(image.samples[i + 2], image.bits))
      return true;
  return false;
}

}  // namespace attnunet::data
