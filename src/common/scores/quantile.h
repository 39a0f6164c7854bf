// Quantiles that interpolate linearly between order statistics, as numpy's and torch's do by default (Hyndman and Fan
// 1996, type 7): of n values sorted from 0, the one at place q (n - 1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace attnunet {

/// Of values that are sorted and not empty; 0 <= q <= 1.
inline double quantile(const std::vector<double>& sorted, double q) {
  const double place = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

}  // namespace attnunet
