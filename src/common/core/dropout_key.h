// Which activations dropout keeps: a pure function of element, layer, step and seed, the same on every backend.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/core/geometry.h"

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

/// Element i (its NHWC index in the padded activation) has word i % 4 of
///   philox4x32({low 32 bits of i / 4, high 32 bits of i / 4, layer, step}, seed)
/// and is kept where that word >= round(rate * 2^32).
inline std::uint32_t dropout_threshold(double rate) {
  const double threshold = std::round(rate * 0x1p32);
  return threshold < 0x1p32 ? static_cast<std::uint32_t>(threshold) : 0xFFFFFFFFu;
}

/// What kept values are multiplied by: float(1 / (1 - rate)), in double too, so that both precisions agree.
inline float dropout_scale(double rate) {
  return static_cast<float>(1.0 / (1.0 - rate));
}

}  // namespace attnunet
