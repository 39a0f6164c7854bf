#include "common/data/intensity.h"

#include <algorithm>

#include "common/data/luma.h"

namespace attnunet::data {
namespace {

int largest_sample(const RawImage& image) {
  return image.samples.empty() ? 0 : *std::max_element(image.samples.begin(), image.samples.end());
}

/// The range that the file states: that of its samples where it has fewer than 16 bits, or its significant bits. PNG
/// wants samples of fewer bits to be scaled up to the file's depth; values beyond the stated bits show that they are.
/// 0 where it states none.
int stated_bits(const RawImage& image) {
  if (image.significant_bits > 0)
    return largest_sample(image) >> image.significant_bits == 0 ? image.significant_bits : image.bits;
  return image.bits < 16 ? image.bits : 0;
}

Grey scaled_from_bits(RawImage image, int bits) {
  for (std::uint16_t& sample : image.samples) sample = to_byte(sample, bits);
  image.bits = 8;
  return luma_of(image);
}

/// Luma in the file's own values; of up to 8 bits stretched to 0..255.
std::vector<std::uint16_t> own_luma(const RawImage& image) {
  if (image.bits <= 8) {
    const Grey grey = luma_of(image);
    return {grey.pixels.begin(), grey.pixels.end()};
  }
  if (image.channels == 1) return image.samples;
  std::vector<std::uint16_t> result(image.samples.size() / 3);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = luma(&image.samples[3 * i]);
  return result;
}

/// Stretched from the value of which `share` of the pixels are darker to the one of which as many are brighter.
Grey stretched(const RawImage& image, double share) {
  const std::vector<std::uint16_t> values = own_luma(image);
  Grey grey{image.width, image.height, std::vector<std::uint8_t>(values.size())};
  if (values.empty()) return grey;
  std::vector<std::uint16_t> order = values;
  const auto at_rank = [&](std::size_t rank) {
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(rank), order.end());
    return static_cast<int>(order[rank]);
  };
  const auto left_out = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  const int low = at_rank(left_out), high = at_rank(values.size() - 1 - left_out);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int value = std::clamp<int>(values[i], low, high);
    if (high > low) grey.pixels[i] = static_cast<std::uint8_t>(((value - low) * 510 / (high - low) + 1) / 2);
  }
  return grey;
}

}  // namespace

int range_bits(int largest) {
  for (const int bits : {10, 12, 14})
    if (largest >> bits == 0) return bits;
  return 16;
}

int largest_of_unknown_range(const RawImage& image) {
  return image.bits <= 8 || stated_bits(image) != 0 ? 0 : largest_sample(image);
}

Grey grey_of(const RawImage& image, const Intensity& intensity) {
  switch (intensity.rule) {
    case IntensityRule::automatic: {
      if (image.bits <= 8) return luma_of(image);
      const int stated = stated_bits(image);
      if (stated != 0) return scaled_from_bits(image, stated);
      return scaled_from_bits(image, intensity.bits != 0 ? intensity.bits : range_bits(largest_sample(image)));
    }
    case IntensityRule::full:
      return luma_of(image);
    case IntensityRule::minmax:
      return stretched(image, 0);
    case IntensityRule::percentile:
      return stretched(image, 0.01);
  }
  no_such_value(intensity.rule);
}

}  // namespace attnunet::data
