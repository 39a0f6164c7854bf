// What linear layers are checked by besides their gradients.
#pragma once

#include <gtest/gtest.h>

#include "support/tolerance.h"

namespace attnunet {

inline double dot(const gradcheck::Array& a, const gradcheck::Array& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) sum += a.values.at(i) * b.values.at(i);
  return sum;
}

/// <A x, y> = <x, A' y> for a layer that is linear in its one input (or in all its inputs together), in double.
inline void expect_adjoint(const gradcheck::LayerCase& layer_case, std::uint64_t seed = 3) {
  const auto y = layer_case.forward(layer_case.inputs).outputs.at(0);
  Random random(seed);
  const auto dy = gradcheck::random_array("dy", static_cast<Index>(y.values.size()), random);
  const auto dx = layer_case.backward(layer_case.inputs, {dy});
  double right = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) right += dot(layer_case.inputs[i], dx[i]);
  const double left = dot(y, dy), scale = dot(magnitudes(y), magnitudes(dy));
  EXPECT_NEAR(left, right, 1e-13 * scale) << layer_case.name;
}

}  // namespace attnunet
