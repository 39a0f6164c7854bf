// What tests say about numbers. Every comparison is written !(error <= bound), so that NaN fails.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "common/gradcheck/check.h"
#include "support/tolerance.h"

namespace attnunet {

inline void expect_passed(const std::vector<gradcheck::Result>& results) {
  ASSERT_FALSE(results.empty());
  for (const gradcheck::Result& result : results)
    EXPECT_TRUE(result.passed()) << result.layer << ", " << result.tensor << ": error " << result.relative_error()
                                 << " of the gradient " << result.scale << ", gate " << gradcheck::gradient_gate << ", "
                                 << result.checked << " checked, " << result.skipped << " skipped";
}

/// Numeric against analytic gradients of every coordinate of every input of the case.
inline void expect_gradients(const gradcheck::LayerCase& layer_case, std::uint64_t seed = 1) {
  expect_passed(gradcheck::check_layer(layer_case, seed));
}

/// The same for blocks and networks: sampled coordinates of every kind of tensor, and random directions.
inline void expect_network_gradients(const gradcheck::LayerCase& network_case, std::uint64_t seed = 1,
                                     Index coordinates = gradcheck::network_coordinates) {
  expect_passed(gradcheck::check_network(network_case, seed, coordinates));
}

/// |actual - expected| <= bound, element by element. Empty arrays and different lengths are failures.
inline ::testing::AssertionResult close(const gradcheck::Array& actual, const gradcheck::Array& expected,
                                        const std::vector<double>& bounds) {
  const std::size_t n = expected.values.size();
  if (n == 0) return ::testing::AssertionFailure() << expected.name << ": nothing to compare";
  if (actual.values.size() != n || bounds.size() != n)
    return ::testing::AssertionFailure() << expected.name << ": " << actual.values.size() << " values and "
                                         << bounds.size() << " bounds for " << n << " expected";
  for (std::size_t i = 0; i < n; ++i) {
    const double error = std::abs(actual.values[i] - expected.values[i]);
    if (!(error <= bounds[i]))
      return ::testing::AssertionFailure()
             << expected.name << "[" << i << "]: " << actual.values[i] << ", expected " << expected.values[i]
             << ", error " << error << " over the bound " << bounds[i];
  }
  return ::testing::AssertionSuccess();
}

/// Layers that move values and never compute with them: what they make of float32 inputs is the same in float32 and
/// in double, forward and backward.
inline void expect_exact_in_float(const gradcheck::LayerCase& low, const gradcheck::LayerCase& exact) {
  std::vector<gradcheck::Array> inputs;
  for (const auto& input : low.inputs) inputs.push_back(rounded_to_float(input));
  const auto y = exact.forward(inputs).outputs.at(0);
  EXPECT_EQ(low.forward(inputs).outputs.at(0).values, y.values) << low.name;
  const auto dx = exact.backward(inputs, {y}), actual = low.backward(inputs, {y});
  for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_EQ(actual.at(i).values, dx[i].values) << low.name;
}

/// The largest error as a share of its bound: how tight a bound is. Tests log it (RecordProperty).
inline double tightness(const gradcheck::Array& actual, const gradcheck::Array& expected,
                        const std::vector<double>& bounds) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double share = std::abs(actual.values[i] - expected.values[i]) / bounds[i];
    if (!std::isnan(worst) && !(share <= worst)) worst = share;
  }
  return worst;
}

}  // namespace attnunet
