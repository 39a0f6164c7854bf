#include "common/gradcheck/check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

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

// L at the given inputs, L's analytic gradient at the start, and the side of every kink there.
struct Objective {
  const LayerCase& layer_case;
  std::vector<Array> weights;
  std::vector<Array> gradient;
  std::vector<std::uint8_t> active_set;

  Objective(const LayerCase& layer, std::uint64_t seed) : layer_case(layer) {
    Forward at = layer.forward(layer.inputs);
    // A stream of its own: weights equal to the inputs of a case of the same seed have, through batch norm, gradient 0.
    Random random(seed, 1);
    for (const Array& output : at.outputs)
      weights.push_back(random_array("w", static_cast<Index>(output.values.size()), random));
    active_set = std::move(at.active_set);
    gradient = layer.backward(layer.inputs, weights);
  }

  // The central difference along what `move` does to the inputs, compared with `analytic`; counted in result.
  template <class Move>
  void compare(Result& result, double analytic, double step, Move move) const {
    std::vector<Array> inputs = layer_case.inputs;
    move(inputs, step);
    const Forward above = layer_case.forward(inputs);
    inputs = layer_case.inputs;
    move(inputs, -step);
    const Forward below = layer_case.forward(inputs);
    if (above.active_set != active_set || below.active_set != active_set) {
      ++result.skipped;
      return;
    }
    ++result.checked;
    const double numeric = (dot(weights, above.outputs) - dot(weights, below.outputs)) / (2 * step);
    result.worst_error = larger(result.worst_error, std::abs(analytic - numeric));
  }
};

double largest(const Array& array) {
  double result = 0;
  for (double value : array.values) result = larger(result, std::abs(value));
  return result;
}

// The name without its level: "encoder.2.conv1.weight" and "decoder.0.conv1.weight" are of one kind.
std::string kind_of(const std::string& name) {
  std::size_t begin = 0;
  for (const char* part : {"encoder.", "decoder.", "bottleneck.", "block."})
    if (name.rfind(part, 0) == 0) begin = std::string(part).size();
  if (begin > 0 && begin + 1 < name.size() && name[begin + 1] == '.') begin += 2;
  return name.substr(begin);
}

}  // namespace

std::vector<Result> check_layer(const LayerCase& layer_case, std::uint64_t seed) {
  const Objective objective(layer_case, seed);
  std::vector<Result> results;
  for (std::size_t i = 0; i < layer_case.inputs.size(); ++i) {
    Result result;
    result.layer = layer_case.name;
    result.tensor = layer_case.inputs[i].name;
    result.scale = result.largest_gradient = largest(objective.gradient.at(i));
    for (std::size_t j = 0; j < layer_case.inputs[i].values.size(); ++j)
      objective.compare(result, objective.gradient[i].values.at(j), layer_step,
                        [i, j](std::vector<Array>& inputs, double step) { inputs[i].values[j] += step; });
    results.push_back(result);
  }
  return results;
}

std::vector<Result> check_network(const LayerCase& network_case, std::uint64_t seed, Index coordinates_a_kind) {
  const Objective objective(network_case, seed);
  const std::vector<Array>& inputs = network_case.inputs;
  double scale = 0;
  for (const Array& gradient : objective.gradient) scale = larger(scale, largest(gradient));

  // Every coordinate (tensor, element), by kind.
  std::map<std::string, std::vector<std::pair<std::size_t, std::size_t>>> kinds;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t j = 0; j < inputs[i].values.size(); ++j) kinds[kind_of(inputs[i].name)].push_back({i, j});

  std::vector<Result> results;
  Random random(seed, 1);
  for (auto& [kind, coordinates] : kinds) {
    Result result;
    result.layer = network_case.name;
    result.tensor = kind;
    result.scale = scale;
    shuffle(coordinates, random);
    coordinates.resize(std::min(coordinates.size(), static_cast<std::size_t>(coordinates_a_kind)));
    for (const auto& coordinate : coordinates) {
      const auto [i, j] = coordinate;
      const double analytic = objective.gradient.at(i).values.at(j);
      result.largest_gradient = larger(result.largest_gradient, std::abs(analytic));
      objective.compare(result, analytic, network_step, [&coordinate](std::vector<Array>& moved, double step) {
        moved[coordinate.first].values[coordinate.second] += step;
      });
    }
    results.push_back(result);
  }

  Result directions;
  directions.layer = network_case.name;
  directions.tensor = "random directions";
  directions.scale = scale;
  for (Index k = 0; k < network_directions; ++k) {
    std::vector<Array> direction;
    double square = 0;
    for (const Array& input : inputs) {
      direction.push_back(random_array("", static_cast<Index>(input.values.size()), random));
      for (double value : direction.back().values) square += value * value;
    }
    for (Array& part : direction)
      for (double& value : part.values) value /= std::sqrt(square);
    const double analytic = dot(objective.gradient, direction);
    directions.largest_gradient = larger(directions.largest_gradient, std::abs(analytic));
    objective.compare(directions, analytic, network_step, [&direction](std::vector<Array>& moved, double step) {
      for (std::size_t i = 0; i < moved.size(); ++i)
        for (std::size_t j = 0; j < moved[i].values.size(); ++j) moved[i].values[j] += step * direction[i].values[j];
    });
  }
  results.push_back(directions);
  return results;
}

}  // namespace attnunet::gradcheck
