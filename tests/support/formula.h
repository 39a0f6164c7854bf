// What the tests of formulas (formulas*_test.cpp) share. A formula at the top of a layer's header is written down once
// more, literally, over indices and in double; the layer has to give the same numbers. The test of dx of batch_norm is
// Formula.BatchNormDx, and docs/layers/batch_norm.md names it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/gradcheck/layer_case.h"
#include "cpu/operations.h"
#include "support/expect.h"

namespace attnunet {

using gradcheck::Array;
using gradcheck::random_array;

/// Equal up to rounding: 1e-12 of the largest value, which a double sum of a few hundred terms stays far below.
inline void expect_formula(const Array& actual, const std::vector<double>& formula) {
  const Array expected{actual.name, formula};
  double largest = 0;
  for (const double value : formula) largest = std::max(largest, std::abs(value));
  ASSERT_GT(largest, 0) << actual.name << ": nothing but zeros says nothing";
  EXPECT_TRUE(close(actual, expected, everywhere(expected, 1e-12 * largest)));
}

/// Numbers by indices: [C] or [pixels, C], and [N,H,W,C] with 0 outside of the image.
struct Tensor {
  Tensor(const Array& array, Index channels) : values(array.values.data()), C(channels) {}
  Tensor(const Array& array, Index height, Index width, Index channels)
      : values(array.values.data()), H(height), W(width), C(channels) {}
  double operator()(Index i) const { return values[i]; }
  double operator()(Index pixel, Index c) const { return values[pixel * C + c]; }
  double operator()(Index n, Index h, Index w, Index c) const {
    return h < 0 || h >= H || w < 0 || w >= W ? 0.0 : values[((n * H + h) * W + w) * C + c];
  }
  const double* values;
  Index H = 0, W = 0, C;
};

/// The sum of term(0) .. term(count - 1), and over three indices.
template <class Term>
double sum(Index count, const Term& term) {
  double result = 0;
  for (Index i = 0; i < count; ++i) result += term(i);
  return result;
}
template <class Term>
double sum(Index a_count, Index b_count, Index c_count, const Term& term) {
  return sum(a_count, [&](Index a) {
    return sum(b_count, [&](Index b) { return sum(c_count, [&](Index c) { return term(a, b, c); }); });
  });
}

/// The formula of every element of [count], [rows, columns] or [N,H,W,C], in order.
template <class Formula>
std::vector<double> each(Index count, const Formula& formula) {
  std::vector<double> values;
  for (Index i = 0; i < count; ++i) values.push_back(formula(i));
  return values;
}
template <class Formula>
std::vector<double> each(Index rows, Index columns, const Formula& formula) {
  return each(rows * columns, [&](Index i) { return formula(i / columns, i % columns); });
}
template <class Formula>
std::vector<double> each(Index N, Index H, Index W, Index C, const Formula& formula) {
  return each(N * H * W * C, [&](Index i) { return formula(i / (H * W * C), i / (W * C) % H, i / C % W, i % C); });
}

}  // namespace attnunet
