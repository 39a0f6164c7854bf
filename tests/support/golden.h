// The second oracle: vectors computed by PyTorch in float64, tests/golden/*.safetensors (names: README.md there).
//
// Activations in the files are NHWC as ours; weights are in PyTorch's layout and converted here.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/gradcheck/layer_case.h"
#include "support/expect.h"
#include "support/tolerance.h"

namespace attnunet {

struct GoldenTensor {
  std::vector<Index> shape;
  std::vector<double> values;
};

struct Golden {
  std::map<std::string, GoldenTensor> tensors;

  const GoldenTensor& at(const std::string& name) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw std::out_of_range("golden file has no tensor " + name);
    return found->second;
  }
  gradcheck::Array array(const std::string& name) const { return {name, at(name).values}; }
  /// A tensor of one element: seeds, rates, losses.
  double number(const std::string& name) const { return at(name).values.at(0); }
  Index dimension(const std::string& name, std::size_t axis) const { return at(name).shape.at(axis); }
  /// Of an activation [N,H,W,C].
  Shape shape(const std::string& name) const {
    return {dimension(name, 0), dimension(name, 1), dimension(name, 2), dimension(name, 3)};
  }
};

/// tests/golden/NAME.safetensors. Throws where the file is missing or not F64 throughout.
Golden read_golden(const std::string& name);

/// Axes in a new order: axis a of the result is axis order[a] of the tensor.
GoldenTensor permuted(const GoldenTensor& tensor, const std::vector<std::size_t>& order);

/// Convolution weights, PyTorch's [K,C,R,R] -> ours [K,R,R,C], and back.
GoldenTensor conv_weights_to_ours(const GoldenTensor& w);

GoldenTensor conv_weights_to_pytorch(const GoldenTensor& w);
/// Transposed convolution weights, PyTorch's [C,K,2,2] -> ours [2,2,K,C], and back.
GoldenTensor conv_transpose_weights_to_ours(const GoldenTensor& w);

GoldenTensor conv_transpose_weights_to_pytorch(const GoldenTensor& w);
double largest_magnitude(const std::vector<double>& values);
/// Equal to PyTorch's within golden_bound. largest_of_case: the largest entry of all gradients of the case.
void expect_golden(const gradcheck::Array& actual, const gradcheck::Array& expected, double largest_of_case);

/// A layer's forward and backward on the golden inputs. The file's tensors `inputs`, in the case's order, already in
/// our layouts; the gradient of input `a` is the tensor `da`. `output` is compared with the case's only output, whose
/// upstream gradient is the tensor `d_output`, or 1 where the output is a loss and the file has no such tensor.
void expect_golden_layer(const gradcheck::LayerCase& layer, const Golden& golden,
                         const std::vector<std::string>& inputs, const std::string& output);

}  // namespace attnunet
