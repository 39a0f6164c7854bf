#include "common/gradcheck/cases/flat_inputs.h"

#include <algorithm>
#include <utility>

namespace attnunet::gradcheck {

std::vector<Array> parameter_arrays(const Architecture& architecture, std::uint64_t seed) {
  std::vector<double> parameters, statistics;
  initial_values(architecture, seed, parameters, statistics);
  Random random(seed, 2);
  std::vector<Array> arrays;
  for (const TensorSpec& spec : architecture.parameters) {
    const auto begin = parameters.begin() + spec.offset;
    Array array{spec.name, std::vector<double>(begin, begin + spec.size)};
    for (double& value : array.values) {
      if (spec.kind == TensorKind::gamma) value = random.uniform(0.5, 1.5);
      if (spec.kind == TensorKind::beta || spec.kind == TensorKind::bias) value = 0.3 * random.normal();
    }
    arrays.push_back(std::move(array));
  }
  return arrays;
}

Array flat_parameters(const Architecture& architecture, const std::vector<Array>& inputs, std::size_t first) {
  Array flat{"parameters", std::vector<double>(static_cast<std::size_t>(architecture.parameter_elements), 0.0)};
  for (std::size_t i = 0; i < architecture.parameters.size(); ++i)
    std::copy(inputs.at(first + i).values.begin(), inputs.at(first + i).values.end(),
              flat.values.begin() + architecture.parameters[i].offset);
  return flat;
}

void append_parameters(std::vector<Array>& arrays, const Architecture& architecture, const Array& flat) {
  for (const TensorSpec& spec : architecture.parameters) {
    const auto begin = flat.values.begin() + spec.offset;
    arrays.push_back({spec.name, std::vector<double>(begin, begin + spec.size)});
  }
}

}  // namespace attnunet::gradcheck
