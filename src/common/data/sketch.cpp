#include "common/data/sketch.h"

#include <bitset>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "common/core/random.h"
#include "common/data/similarity.h"

namespace attnunet::data {
namespace {

constexpr std::size_t pixels = std::size_t{thumbnail_size} * thumbnail_size;  // a power of 2
constexpr std::uint64_t sketch_seed = 0x534b45544348;  // a file's sketches are compared with those of other programs
constexpr int rounds = 2;

/// rounds x pixels random signs.
std::vector<double> random_signs() {
  std::vector<double> signs(rounds * pixels);
  Random random(sketch_seed);
  for (double& sign : signs) sign = random.below(2) == 0 ? 1 : -1;
  return signs;
}

/// Multiplies by Hadamard's matrix: sums and differences of numbers 1, 2, 4, ... apart.
void hadamard(std::vector<double>& x) {
  for (std::size_t apart = 1; apart < x.size(); apart *= 2)
    for (std::size_t i = 0; i < x.size(); ++i)
      if ((i & apart) == 0) {
        const double a = x[i], b = x[i + apart];
        x[i] = a + b;
        x[i + apart] = a - b;
      }
}

bool is_empty(const Sketch& sketch) {
  return sketch == Sketch{};
}

}  // namespace

Sketch sketch_of(const Grey& thumbnail) {
  static const std::vector<double> signs = random_signs();
  // The mean times the number of pixels is a whole number, so nothing here is rounded: every machine has the same bits.
  const std::int64_t sum = std::accumulate(thumbnail.pixels.begin(), thumbnail.pixels.end(), std::int64_t{0});
  std::vector<double> x(pixels);
  for (std::size_t i = 0; i < pixels; ++i)
    x[i] = static_cast<double>(std::int64_t{thumbnail.pixels[i]} * static_cast<std::int64_t>(pixels) - sum);
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < pixels; ++i) x[i] *= signs[static_cast<std::size_t>(round) * pixels + i];
    hadamard(x);
  }
  Sketch sketch{};
  for (std::size_t bit = 0; bit < 8 * sketch.size(); ++bit)
    if (x[bit] > 0) sketch[bit / 8] = static_cast<std::uint8_t>(sketch[bit / 8] | 1u << bit % 8);
  return sketch;
}

double correlation_of(const Sketch& a, const Sketch& b) {
  if (is_empty(a) || is_empty(b)) return 0;
  std::size_t different = 0;
  for (std::size_t i = 0; i < a.size(); ++i) different += std::bitset<8>(a[i] ^ b[i]).count();
  return std::cos(3.14159265358979323846 * static_cast<double>(different) / static_cast<double>(8 * a.size()));
}

}  // namespace attnunet::data
