#include "common/gradcheck/elements.h"

#include <algorithm>

#include "common/gradcheck/check.h"

namespace attnunet::gradcheck {

std::vector<ElementTable> compare_elements(const LayerCase& layer, const std::vector<Array>& d_outputs) {
  const std::vector<std::uint8_t> active_set = layer.forward(layer.inputs).active_set;
  const std::vector<Array> gradients = layer.backward(layer.inputs, d_outputs);
  std::vector<Array> inputs = layer.inputs;
  std::vector<ElementTable> tables;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ElementTable table{inputs[i].name, {}, 0};
    for (std::size_t j = 0; j < inputs[i].values.size(); ++j) {
      const double value = inputs[i].values[j];
      inputs[i].values[j] = value + layer_step;
      const Forward above = layer.forward(inputs);
      inputs[i].values[j] = value - layer_step;
      const Forward below = layer.forward(inputs);
      inputs[i].values[j] = value;
      // Term by term, so that what does not change cancels exactly.
      double difference = 0;
      for (std::size_t k = 0; k < d_outputs.size(); ++k)
        for (std::size_t l = 0; l < d_outputs[k].values.size(); ++l)
          difference += d_outputs[k].values[l] * (above.outputs.at(k).values.at(l) - below.outputs.at(k).values.at(l));
      const double analytic = gradients.at(i).values.at(j);
      table.largest_gradient = std::max(table.largest_gradient, std::abs(analytic));
      table.elements.push_back(
          {analytic, difference / (2 * layer_step), above.active_set != active_set || below.active_set != active_set});
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace attnunet::gradcheck
