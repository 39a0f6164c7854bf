#include "common/data/resize.h"

#include <algorithm>
#include <cmath>

namespace attnunet::data {
namespace {

constexpr int fraction_bits = 22;

/// The fixed-point weights of one axis: output i = sum over t of weights[i * reach + t] * input[first[i] + t].
struct Taps {
  int reach;
  std::vector<int> first, count, weights;
};

Taps triangle_taps(int in, int out) {
  const double scale = static_cast<double>(in) / out;
  const double half_width = std::max(scale, 1.0);
  Taps taps;
  taps.reach = static_cast<int>(std::ceil(half_width)) * 2 + 1;
  taps.weights.assign(static_cast<std::size_t>(out) * static_cast<std::size_t>(taps.reach), 0);
  std::vector<double> exact(static_cast<std::size_t>(taps.reach));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(static_cast<int>(centre - half_width + 0.5), 0);
    const int count = std::min(static_cast<int>(centre + half_width + 0.5), in) - first;
    double sum = 0;
    for (int t = 0; t < count; ++t) {
      const double distance = std::abs((first + t - centre + 0.5) * (1.0 / half_width));
      exact[static_cast<std::size_t>(t)] = std::max(0.0, 1.0 - distance);
      sum += exact[static_cast<std::size_t>(t)];
    }
    int* weights = &taps.weights[static_cast<std::size_t>(i) * static_cast<std::size_t>(taps.reach)];
    for (int t = 0; t < count; ++t)
      weights[t] = static_cast<int>(0.5 + exact[static_cast<std::size_t>(t)] / sum * (1 << fraction_bits));
    taps.first.push_back(first);
    taps.count.push_back(count);
  }
  return taps;
}

std::uint8_t rounded(int sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255));
}

constexpr int half = 1 << (fraction_bits - 1);

Grey resize_rows(const Grey& image, int width) {
  const Taps taps = triangle_taps(image.width, width);
  Grey result{width, image.height, {}};
  result.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(image.height));
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* row = &image.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width)];
    for (std::size_t x = 0; x < taps.first.size(); ++x) {
      const int* weights = &taps.weights[x * static_cast<std::size_t>(taps.reach)];
      int sum = half;
      for (int t = 0; t < taps.count[x]; ++t) sum += weights[t] * row[taps.first[x] + t];
      result.pixels.push_back(rounded(sum));
    }
  }
  return result;
}

Grey resize_columns(const Grey& image, int height) {
  const Taps taps = triangle_taps(image.height, height);
  const std::size_t width = static_cast<std::size_t>(image.width);
  Grey result{image.width, height, {}};
  result.pixels.reserve(width * static_cast<std::size_t>(height));
  std::vector<int> sums(width);
  for (std::size_t y = 0; y < taps.first.size(); ++y) {
    std::fill(sums.begin(), sums.end(), half);
    for (int t = 0; t < taps.count[y]; ++t) {
      const int weight = taps.weights[y * static_cast<std::size_t>(taps.reach) + static_cast<std::size_t>(t)];
      const std::uint8_t* row = &image.pixels[static_cast<std::size_t>(taps.first[y] + t) * width];
      for (std::size_t x = 0; x < width; ++x) sums[x] += weight * row[x];
    }
    for (const int sum : sums) result.pixels.push_back(rounded(sum));
  }
  return result;
}

}  // namespace

Grey resize_bilinear(const Grey& image, int width, int height) {
  Grey result = width == image.width ? image : resize_rows(image, width);
  if (height != result.height) result = resize_columns(result, height);
  return result;
}

Grey resize_nearest(const Grey& image, int width, int height) {
  Grey result{width, height, {}};
  result.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  // floor((i + 0.5) in / out) = floor((2 i + 1) in / (2 out)), which integers hold exactly.
  const auto source = [](std::int64_t i, std::int64_t in, std::int64_t out) {
    return static_cast<std::size_t>((2 * i + 1) * in / (2 * out));
  };
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* row = &image.pixels[source(y, image.height, height) * static_cast<std::size_t>(image.width)];
    for (int x = 0; x < width; ++x) result.pixels.push_back(row[source(x, image.width, width)]);
  }
  return result;
}

}  // namespace attnunet::data
