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

/// Winograd's F(4x4,3x3) is a sum of products too, of transformed numbers: the magnitudes of its terms (as they are
/// before anything cancels: support/winograd.h) bound it as in float_bound. On its way into a result a number is
/// rounded once in each of the L products of the long sum, and in three transforms of two dimensions, each at most five
/// times a dimension (its constant, a product, three additions): float_bound of these terms for a length of
/// L + winograd_roundings. The terms are 28 to 256 times those of the direct sum (cpu/conv2d_winograd.h), so in float32
/// the bound is wide: that nothing is left out or in the wrong place is seen in double, where it is 2^29 times tighter.
constexpr Index winograd_roundings = 30;

/// A float32 sum on tensor cores, of products that are exact. The simulator rounds each addition: float_bound. The
/// hardware cuts off instead, always towards zero, so errors add up: of L additions each loses at most 2^-23 of what is
/// there by then.
inline double tensor_core_sum_bound(double sum_of_terms, double length, bool simulated) {
  return simulated ? float_bound(sum_of_terms, length) : 0x1p-23 * (length + 2) * sum_of_terms;
}

/// What rounding the operands of a sum of products a b costs: to 11 significant bits (tf32) or 8 (bf16), so that each
/// is off by at most u = 2^-11 or 2^-8 of itself. Independent errors of mean 0 within u |a b|, two a product: the sum
/// is off by more than lambda sqrt(2 sum of (a b)^2) u with probability 2 exp(-lambda^2 / 2) at most (Hoeffding 1963,
/// theorem 2), lambda = 6 as above.
inline double operand_rounding_bound(double sum_of_squares, int significant_bits) {
  constexpr double lambda = 6;
  return lambda * std::ldexp(std::sqrt(2 * sum_of_squares), -significant_bits);
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
