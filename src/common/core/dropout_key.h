// Which activations dropout keeps: a pure function of element, layer, step and seed, the same on every backend.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/core/geometry.h"
#include "common/core/philox.h"

namespace attnunet {

struct DropoutKey {
  std::uint64_t seed = 0;   ///< Philox's key
  std::uint32_t layer = 0;  ///< number of the dropout layer in the network
  std::uint32_t step = 0;   ///< global training step
};

/// A dropout layer in one training step. With rate 0 it does nothing.
struct Dropout {
  double rate = 0;  ///< share of the elements that are dropped, in [0, 1)
  DropoutKey key;
};

/// The random words of elements 4 quad .. 4 quad + 3. Element i (its NHWC index in the padded activation) has word
/// i % 4 of dropout_words(i / 4, key). It is kept if that word >= dropout_threshold(rate).
ATTNUNET_HOST_DEVICE inline PhiloxWords dropout_words(Index quad, const DropoutKey& key) {
  const std::uint64_t counter = static_cast<std::uint64_t>(quad);
  return philox4x32(
      {{static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), key.layer, key.step}},
      key.seed);
}

/// round(rate * 2^32)
inline std::uint32_t dropout_threshold(double rate) {
  const double threshold = std::round(rate * 0x1p32);
  return threshold < 0x1p32 ? static_cast<std::uint32_t>(threshold) : 0xFFFFFFFFu;
}

/// What kept values are multiplied by: float(1 / (1 - rate)), in double too, so that both precisions agree.
inline float dropout_scale(double rate) {
  return static_cast<float>(1.0 / (1.0 - rate));
}

}  // namespace attnunet
