#include "common/data/augment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "common/core/random.h"

namespace attnunet::data {
namespace {

constexpr std::uint64_t augment_seed_tag = 0x4155474d454e54;  // keeps these numbers apart from other uses of the seed

std::size_t at(const Grey& image, int x, int y) {
  return static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x);
}

void flip_rows(Grey& image) {
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* row = image.pixels.data() + at(image, 0, y);
    std::reverse(row, row + image.width);
  }
}

void flip_columns(Grey& image) {
  for (int y = 0; y < image.height / 2; ++y)
    std::swap_ranges(image.pixels.data() + at(image, 0, y), image.pixels.data() + at(image, 0, y + 1),
                     image.pixels.data() + at(image, 0, image.height - 1 - y));
}

/// With the two flips this makes the quarter turns.
void transpose(Grey& image) {
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < y; ++x) std::swap(image.pixels[at(image, x, y)], image.pixels[at(image, y, x)]);
}

/// Output pixel (x, y) takes the input at (xx x + xy y + x0, yx x + yy y + y0); pixel centres are at integers.
struct AffineMap {
  double xx, xy, x0, yx, yy, y0;
};

AffineMap random_map(Random& random, int width, int height) {
  const double angle = random.uniform(-15, 15) * 3.14159265358979323846 / 180;
  const double shrink = 1 / random.uniform(0.9, 1.1);
  const double shift_x = random.uniform(-0.08, 0.08) * width, shift_y = random.uniform(-0.08, 0.08) * height;
  const double c = std::cos(angle) * shrink, s = std::sin(angle) * shrink;
  const double centre_x = (width - 1) / 2.0, centre_y = (height - 1) / 2.0;
  // input = centre + R (output - centre - shift)
  return {c, -s, centre_x - c * (centre_x + shift_x) + s * (centre_y + shift_y),
          s, c,  centre_y - s * (centre_x + shift_x) - c * (centre_y + shift_y)};
}

void warp(Sample& sample, const AffineMap& map) {
  thread_local std::vector<std::uint8_t> image_before, mask_before;
  Grey &image = sample.image, &mask = sample.mask;
  image_before.assign(image.pixels.begin(), image.pixels.end());
  mask_before.assign(mask.pixels.begin(), mask.pixels.end());
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const double from_x = map.xx * x + map.xy * y + map.x0, from_y = map.yx * x + map.yy * y + map.y0;
      const double inside_x = std::clamp(from_x, 0.0, image.width - 1.0);
      const double inside_y = std::clamp(from_y, 0.0, image.height - 1.0);
      const int left = static_cast<int>(inside_x), top = static_cast<int>(inside_y);
      const int right = std::min(left + 1, image.width - 1), bottom = std::min(top + 1, image.height - 1);
      const double wx = inside_x - left, wy = inside_y - top;
      const double upper = image_before[at(image, left, top)] * (1 - wx) + image_before[at(image, right, top)] * wx;
      const double lower =
          image_before[at(image, left, bottom)] * (1 - wx) + image_before[at(image, right, bottom)] * wx;
      image.pixels[at(image, x, y)] = static_cast<std::uint8_t>(upper * (1 - wy) + lower * wy + 0.5);

      const double near_x = std::floor(from_x + 0.5), near_y = std::floor(from_y + 0.5);
      const bool inside = near_x >= 0 && near_x < mask.width && near_y >= 0 && near_y < mask.height;
      mask.pixels[at(mask, x, y)] =
          inside ? mask_before[at(mask, static_cast<int>(near_x), static_cast<int>(near_y))] : std::uint8_t{0};
    }
}

/// Contrast about mid-grey, brightness, gamma: one table.
std::array<float, 256> random_tone(Random& random) {
  const double contrast = random.uniform(0.8, 1.2), brightness = random.uniform(-25, 25);
  const double gamma = std::exp(random.uniform(std::log(0.8), std::log(1.25)));
  std::array<float, 256> tone{};
  for (int level = 0; level < 256; ++level) {
    const double value = std::clamp((level - 127.5) * contrast + 127.5 + brightness, 0.0, 255.0);
    tone[static_cast<std::size_t>(level)] = static_cast<float>(255 * std::pow(value / 255, gamma));
  }
  return tone;
}

/// Sum of the four bytes of a word, centred and scaled to variance 1: close to normal, at the cost of one word.
float nearly_normal(std::uint32_t word) {
  const std::uint32_t sum = (word & 255) + ((word >> 8) & 255) + ((word >> 16) & 255) + (word >> 24);
  constexpr float deviation = 147.79941f;  // sqrt(4 (256^2 - 1) / 12)
  return (static_cast<float>(sum) - 510.0f) / deviation;
}

void recolour(Grey& image, Random& random) {
  const std::array<float, 256> tone = random_tone(random);
  const auto speckle = static_cast<float>(random.uniform(0, 0.1));
  for (std::uint8_t& pixel : image.pixels) {
    const float value = tone[pixel] * (1 + speckle * nearly_normal(random.word()));
    pixel = static_cast<std::uint8_t>(std::clamp(value + 0.5f, 0.0f, 255.0f));
  }
}

}  // namespace

void augment(Sample& sample, Augment kind, std::uint64_t seed, std::uint32_t epoch, std::uint32_t case_index) {
  if (kind == Augment::none) return;
  Random random(seed ^ augment_seed_tag, epoch, case_index);
  const std::uint32_t coins = random.word();
  for (Grey* grey : {&sample.image, &sample.mask}) {
    if (coins & 1) flip_rows(*grey);
    if (coins & 2) flip_columns(*grey);
    if ((coins & 4) && grey->width == grey->height) transpose(*grey);
  }
  if (kind == Augment::light) return;
  warp(sample, random_map(random, sample.image.width, sample.image.height));
  recolour(sample.image, random);
}

}  // namespace attnunet::data
