#include "support/expect.h"

#include <cmath>

#include "support/tolerance.h"

namespace attnunet {

void expect_passed(const std::vector<gradcheck::Result>& results) {
  ASSERT_FALSE(results.empty());
  for (const gradcheck::Result& result : results)
    EXPECT_TRUE(result.passed()) << result.layer << ", " << result.tensor << ": error " << result.relative_error()
                                 << " of the gradient " << result.scale << ", gate " << gradcheck::gradient_gate << ", "
                                 << result.checked << " checked, " << result.skipped << " skipped";
}

void expect_gradients(const gradcheck::LayerCase& layer_case, std::uint64_t seed) {
  expect_passed(gradcheck::check_layer(layer_case, seed));
}

void expect_network_gradients(const gradcheck::LayerCase& network_case, std::uint64_t seed, Index coordinates) {
  expect_passed(gradcheck::check_network(network_case, seed, coordinates));
}

::testing::AssertionResult close(const gradcheck::Array& actual, const gradcheck::Array& expected,
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

void expect_exact_in_float(const gradcheck::LayerCase& low, const gradcheck::LayerCase& exact) {
  std::vector<gradcheck::Array> inputs;
  for (const auto& input : low.inputs) inputs.push_back(rounded_to_float(input));
  const auto y = exact.forward(inputs).outputs.at(0);
  EXPECT_EQ(low.forward(inputs).outputs.at(0).values, y.values) << low.name;
  const auto dx = exact.backward(inputs, {y}), actual = low.backward(inputs, {y});
  for (std::size_t i = 0; i < dx.size(); ++i) EXPECT_EQ(actual.at(i).values, dx[i].values) << low.name;
}

double tightness(const gradcheck::Array& actual, const gradcheck::Array& expected, const std::vector<double>& bounds) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    const double share = std::abs(actual.values[i] - expected.values[i]) / bounds[i];
    if (!std::isnan(worst) && !(share <= worst)) worst = share;
  }
  return worst;
}

}  // namespace attnunet
