#include "common/data/raw_image.h"

#include <utility>

#include "common/data/luma.h"

namespace attnunet::data {
namespace {

/// Copies pixels of `channels` values, width x height of them as stored, to where a viewer shows them.
void orient(std::vector<std::uint16_t>& values, std::size_t channels, std::size_t width, std::size_t height,
            int orientation) {
  const bool swapped = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  std::vector<std::uint16_t> shown(values.size());
  std::uint16_t* to = shown.data();
  for (std::size_t y = 0; y < (swapped ? width : height); ++y)
    for (std::size_t x = 0; x < (swapped ? height : width); ++x) {
      const std::size_t column = swapped ? y : x, row = swapped ? x : y;
      const std::size_t from =
          (from_below ? height - 1 - row : row) * width + (from_right ? width - 1 - column : column);
      for (std::size_t c = 0; c < channels; ++c) *to++ = values[from * channels + c];
    }
  values = std::move(shown);
}

}  // namespace

RawImage oriented(RawImage image) {
  if (image.orientation < 2 || image.orientation > 8) return image;
  const auto width = static_cast<std::size_t>(image.width), height = static_cast<std::size_t>(image.height);
  orient(image.samples, static_cast<std::size_t>(image.channels), width, height, image.orientation);
  if (!image.alpha.empty()) orient(image.alpha, 1, width, height, image.orientation);
  if (!image.indices.empty()) orient(image.indices, 1, width, height, image.orientation);
  if (image.orientation >= 5) {
    std::swap(image.width, image.height);
    std::swap(image.mm_per_column, image.mm_per_row);
  }
  return image;
}

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

Region region_of(const RawImage& image) {
  return image.region.width > 0 ? image.region : Region{0, 0, image.width, image.height};
}

Grey crop(const Grey& image, const Region& region) {
  if (region.width == 0) return image;
  Grey part{region.width, region.height, {}};
  part.pixels.reserve(static_cast<std::size_t>(region.width) * static_cast<std::size_t>(region.height));
  for (int y = region.top; y < region.top + region.height; ++y) {
    const auto row = image.pixels.begin() + std::ptrdiff_t{y} * image.width + region.left;
    part.pixels.insert(part.pixels.end(), row, row + region.width);
  }
  return part;
}

}  // namespace attnunet::data
