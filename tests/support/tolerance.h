// The tolerances of the tests, each stated once with its reason.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/gradcheck/layer_case.h"

namespace attnunet {

/// Float32 against double on the same (float32) inputs. A sum of L terms, each rounded when formed and when added, is
/// off by at most L u sum|terms| (u = 2^-24), and since rounding errors are nearly independent by about
/// sqrt(L) u sum|terms| (Higham and Mary 2019, theorem 2.4, where a factor lambda bounds the probability of more:
/// 2 exp(-lambda^2 / 2)). lambda = 6 lets one element in 3e7 pass the bound by chance; `+ 2` is the final rounding and
/// the product's.
inline double float_bound(double sum_of_terms, double length) {
  constexpr double unit = 0x1p-24, lambda = 6;
  return lambda * unit * std::sqrt(length + 2) * sum_of_terms;
}

/// Against PyTorch in double: 1e-10 of the tensor's largest entry, but of no less than 1e-3 of the largest entry of
/// all gradients of the case (a tensor whose true gradient is 0 has only rounding noise to compare).
inline double golden_bound(double largest_of_tensor, double largest_of_case) {
  return 1e-10 * std::max(largest_of_tensor, 1e-3 * largest_of_case);
}

/// Values as float32 holds them, so that both precisions start from the same numbers.
inline gradcheck::Array rounded_to_float(gradcheck::Array array) {
  for (double& value : array.values) value = static_cast<double>(static_cast<float>(value));
  return array;
}

inline gradcheck::Array magnitudes(gradcheck::Array array) {
  for (double& value : array.values) value = std::abs(value);
  return array;
}

/// The same bound for every element.
inline std::vector<double> everywhere(const gradcheck::Array& array, double bound) {
  return std::vector<double>(array.values.size(), bound);
}

}  // namespace attnunet
