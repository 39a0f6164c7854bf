// Seeded random numbers on the host: initial weights, shuffling, splits, augmentation, phantoms, tests.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/core/philox.h"

namespace attnunet {

/// What random numbers are drawn for; each purpose has a stream of its own, so that one cannot shift another.
namespace streams {
constexpr std::uint32_t initial_weights = 1, epoch_order = 2, split = 3, augmentation = 4, phantoms = 5, panels = 6,
                        balance = 7;
}

/// A stream of random numbers given by (seed, stream, substream): equal arguments give equal numbers everywhere,
/// whatever was drawn elsewhere.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint32_t stream = 0, std::uint32_t substream = 0)
      : seed_(seed), stream_(stream), substream_(substream) {}

  std::uint32_t word() {
    if (next_ == 4) {
      words_ = philox4x32(
          {{static_cast<std::uint32_t>(block_), static_cast<std::uint32_t>(block_ >> 32), stream_, substream_}}, seed_);
      ++block_;
      next_ = 0;
    }
    return words_.word[next_++];
  }

  /// Uniform in [0, 1), 53 bits.
  double uniform() {
    const std::uint64_t high = word();
    return static_cast<double>(((high << 32) | word()) >> 11) * 0x1p-53;
  }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Standard normal (Box and Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586476925 * uniform());
  }

  /// Uniform in 0 .. count-1. Unbiased: words beyond the largest multiple of count are drawn again.
  std::uint32_t below(std::uint32_t count) {
    const std::uint32_t rejected = (0u - count) % count;
    std::uint32_t drawn = word();
    while (drawn < rejected) drawn = word();
    return drawn % count;
  }

 private:
  std::uint64_t seed_;
  std::uint64_t block_ = 0;
  std::uint32_t stream_, substream_;
  PhiloxWords words_{};
  int next_ = 4;
};

/// Fisher and Yates' shuffle (Durstenfeld's form).
template <class Container>
void shuffle(Container& items, Random& random) {
  for (std::size_t left = items.size(); left > 1; --left) {
    using std::swap;
    swap(items[left - 1], items[random.below(static_cast<std::uint32_t>(left))]);
  }
}

}  // namespace attnunet
