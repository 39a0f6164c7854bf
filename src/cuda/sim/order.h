// In which order the simulator runs blocks, and the threads of a block between two barriers.
#pragma once

#include <cstdint>

#include "common/core/philox.h"

namespace attnunet::cuda::sim {

struct Order {
  enum Kind { ascending, descending, random } kind = ascending;
  std::uint64_t seed = 0;
};

/// What ATTNUNET_SIM_ORDER says: ascending (also where it is not set), descending, random or random:SEED. Throws Error
/// for anything else.
Order order_of_environment();

/// Which of `count` is the index-th, without a table: for random an affine walk through the numbers below `count`.
class Permutation {
 public:
  Permutation(const Order& order, std::uint64_t count, std::uint64_t salt) : order_(order), count_(count) {
    if (order.kind != Order::random || count < 2) return;
    const PhiloxWords words = philox4x32({{static_cast<std::uint32_t>(salt), static_cast<std::uint32_t>(salt >> 32),
                                           static_cast<std::uint32_t>(count), 0}},
                                         order.seed);
    start_ = words.word[0] % count;
    step_ = 1 + words.word[1] % (count - 1);
    while (common_divisor(step_, count) != 1) step_ = 1 + step_ % (count - 1);
  }
  std::uint64_t operator()(std::uint64_t index) const {
    if (order_.kind == Order::ascending) return index;
    if (order_.kind == Order::descending) return count_ - 1 - index;
    return (start_ + index * step_) % count_;
  }

 private:
  static std::uint64_t common_divisor(std::uint64_t a, std::uint64_t b) {
    return b == 0 ? a : common_divisor(b, a % b);
  }
  Order order_;
  std::uint64_t count_, start_ = 0, step_ = 1;
};

}  // namespace attnunet::cuda::sim
