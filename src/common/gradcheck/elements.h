// A gradient element by element, for people: analytic and numeric side by side. (check.h judges whole tensors.)
#pragma once

#include "common/gradcheck/layer_case.h"

namespace attnunet::gradcheck {

struct Element {
  double analytic, numeric;
  bool at_kink;  ///< the central difference crosses a kink and means nothing
};

struct ElementTable {
  std::string tensor;
  std::vector<Element> elements;
  double largest_gradient;
};

/// For each input of the case, the gradients of L = sum over outputs of dot(d_outputs, outputs).
std::vector<ElementTable> compare_elements(const LayerCase& layer, const std::vector<Array>& d_outputs);

}  // namespace attnunet::gradcheck
