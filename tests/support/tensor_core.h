// What the convolutions on tensor cores are checked by: against double, with the operands as they are and rounded.
#pragma once

#include <functional>
#include <type_traits>

#include "common/core/precision.h"
#include "support/backends.h"
#include "support/expect.h"

namespace attnunet {

#ifdef ATTNUNET_TEST_CUDA
using TensorCoreBackends = ::testing::Types<CudaSim<float>, Cuda<float>>;
#else
using TensorCoreBackends = ::testing::Types<CudaSim<float>>;
#endif

inline int significant_bits(Precision precision) {
  return precision == Precision::tf32 ? 11 : 8;
}

/// The nearest number of so many significant bits; `whole` rounds to integers.
inline gradcheck::Array to_significant(gradcheck::Array array, int bits, double (*whole)(double)) {
  for (double& value : array.values) {
    int exponent = 0;
    const double scaled = std::ldexp(std::frexp(value, &exponent), bits);
    value = std::ldexp(whole(scaled), exponent - bits);
  }
  return array;
}

/// As the operands are rounded: to nearest, ties away from zero (tf32) or to even (bf16).
inline gradcheck::Array rounded_to(Precision precision, gradcheck::Array array) {
  return to_significant(
      std::move(array), significant_bits(precision),
      precision == Precision::tf32 ? +[](double x) { return std::round(x); }
                                   : +[](double x) { return std::nearbyint(x); });
}

/// Half of them become ties of that rounding.
inline gradcheck::Array with_ties(Precision precision, gradcheck::Array array) {
  return to_significant(std::move(array), significant_bits(precision) + 1, [](double x) { return std::nearbyint(x); });
}

inline gradcheck::Array squares(gradcheck::Array array) {
  for (double& value : array.values) value *= value;
  return array;
}

inline gradcheck::Array sum(gradcheck::Array a, const gradcheck::Array& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) a.values[i] += b.values[i % b.values.size()];
  return a;
}

/// A bilinear function in double: the sums of products that a tensor-core operation computes from its two operands.
using Products = std::function<gradcheck::Array(const gradcheck::Array& a, const gradcheck::Array& b)>;

/// `actual` is products(a, b) + added, `length` products to a sum; `added` is repeated over the result. Compared with
/// the products of rounded operands, where only the sum may differ, and with those of the operands as they are.
template <class B>
void expect_products(Precision precision, const gradcheck::Array& actual, const Products& products,
                     const gradcheck::Array& a, const gradcheck::Array& b, const gradcheck::Array& added,
                     Index length) {
  constexpr bool simulated = std::is_same<B, CudaSim<float>>::value;
  const gradcheck::Array sums = sum(products(magnitudes(a), magnitudes(b)), magnitudes(added));
  const gradcheck::Array of_squares = products(squares(a), squares(b));
  std::vector<double> sum_bounds, bounds;
  for (std::size_t i = 0; i < sums.values.size(); ++i) {
    // Rounding makes an operand larger by 1 / 256 at most.
    sum_bounds.push_back(1.01 * tensor_core_sum_bound(sums.values[i], static_cast<double>(length + 1), simulated));
    bounds.push_back(sum_bounds[i] + operand_rounding_bound(of_squares.values[i], significant_bits(precision)));
  }
  EXPECT_TRUE(close(actual, sum(products(rounded_to(precision, a), rounded_to(precision, b)), added), sum_bounds))
      << "operands rounded to " << name_of(precision);
  EXPECT_TRUE(close(actual, sum(products(a, b), added), bounds)) << name_of(precision);
}

}  // namespace attnunet
