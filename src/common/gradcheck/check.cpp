#include "common/gradcheck/check.h"

#include <cmath>

namespace attnunet::gradcheck {

double Result::relative_error() const {
  return worst_error / scale;
}

bool Result::passed() const {
  const Index all = checked + skipped;
  return checked > 0 && static_cast<double>(skipped) <= largest_skipped_share * static_cast<double>(all) &&
         relative_error() <= gradient_gate;
}

namespace {

double dot(const std::vector<Array>& a, const std::vector<Array>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].values.size(); ++j) sum += a[i].values[j] * b[i].values[j];
  return sum;
}

// std::max can lose a NaN; this keeps one in either argument, so that no later value hides it.
double larger(double a, double b) {
  return std::isnan(a) || b <= a ? a : b;
}

}  // namespace

std::vector<Result> check_layer(const LayerCase& layer_case, std::uint64_t seed) {
  std::vector<Array> inputs = layer_case.inputs;
  const Forward at = layer_case.forward(inputs);
  Random random(seed);
  std::vector<Array> weights;
  for (const Array& output : at.outputs)
    weights.push_back(random_array("w", static_cast<Index>(output.values.size()), random));
  const std::vector<Array> analytic = layer_case.backward(inputs, weights);

  std::vector<Result> results;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Result result;
    result.layer = layer_case.name;
    result.tensor = inputs[i].name;
    const std::vector<double>& gradient = analytic.at(i).values;
    for (std::size_t j = 0; j < inputs[i].values.size(); ++j) {
      double& value = inputs[i].values[j];
      const double original = value;
      value = original + layer_step;
      const Forward above = layer_case.forward(inputs);
      value = original - layer_step;
      const Forward below = layer_case.forward(inputs);
      value = original;
      result.largest_gradient = larger(result.largest_gradient, std::abs(gradient.at(j)));
      if (above.active_set != at.active_set || below.active_set != at.active_set) {
        ++result.skipped;
        continue;
      }
      ++result.checked;
      const double numeric = (dot(weights, above.outputs) - dot(weights, below.outputs)) / (2 * layer_step);
      result.worst_error = larger(result.worst_error, std::abs(gradient[j] - numeric));
    }
    result.scale = result.largest_gradient;
    results.push_back(result);
  }
  return results;
}

}  // namespace attnunet::gradcheck
