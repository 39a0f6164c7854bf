// What tests say about numbers. Every comparison is written !(error <= bound), so that NaN fails.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/gradcheck/check.h"
#include "support/tolerance.h"

namespace attnunet {

void expect_passed(const std::vector<gradcheck::Result>& results);

/// Numeric against analytic gradients of every coordinate of every input of the case.
void expect_gradients(const gradcheck::LayerCase& layer_case, std::uint64_t seed = 1);

/// The same for blocks and networks: sampled coordinates of every kind of tensor, and random directions.
void expect_network_gradients(const gradcheck::LayerCase& network_case, std::uint64_t seed = 1,
                              Index coordinates = gradcheck::network_coordinates);

/// |actual - expected| <= bound, element by element. Empty arrays and different lengths are failures.
::testing::AssertionResult close(const gradcheck::Array& actual, const gradcheck::Array& expected,
                                 const std::vector<double>& bounds);

/// Layers that move values and never compute with them: what they make of float32 inputs is the same in float32 and
/// in double, forward and backward.
void expect_exact_in_float(const gradcheck::LayerCase& low, const gradcheck::LayerCase& exact);

/// The largest error as a share of its bound: how tight a bound is. Tests log it (RecordProperty).
double tightness(const gradcheck::Array& actual, const gradcheck::Array& expected, const std::vector<double>& bounds);

}  // namespace attnunet
