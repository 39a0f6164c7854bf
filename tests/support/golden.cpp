#include "support/golden.h"

#include <cstring>
#include <fstream>
#include <iterator>

#include "support/json.h"
#include "support/places.h"

namespace attnunet {

Golden read_golden(const std::string& name) {
  const std::string path = source_folder() + "/tests/golden/" + name + ".safetensors";
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::uint64_t header_size = 0;
  if (content.size() < sizeof header_size) throw std::runtime_error(path + ": missing or too short");
  std::memcpy(&header_size, content.data(), sizeof header_size);
  const auto header = parse_json(content.substr(sizeof header_size, header_size));
  Golden golden;
  for (const auto& item : header.items()) {
    if (item.key() == "__metadata__") continue;
    if (item.value().at("dtype") != "F64") throw std::runtime_error(path + ": " + item.key() + " is not F64");
    const auto range = item.value().at("data_offsets").get<std::vector<std::size_t>>();
    const std::string bytes = content.substr(sizeof header_size + header_size + range.at(0), range.at(1) - range.at(0));
    GoldenTensor tensor{item.value().at("shape").get<std::vector<Index>>(),
                        std::vector<double>(bytes.size() / sizeof(double))};
    Index count = 1;
    for (Index dimension : tensor.shape) count *= dimension;
    if (count != static_cast<Index>(tensor.values.size()))
      throw std::runtime_error(path + ": " + item.key() + " has not the size of its shape");
    if (count > 0) std::memcpy(tensor.values.data(), bytes.data(), bytes.size());
    golden.tensors[item.key()] = tensor;
  }
  return golden;
}

GoldenTensor permuted(const GoldenTensor& tensor, const std::vector<std::size_t>& order) {
  const std::size_t rank = order.size();
  if (tensor.shape.size() != rank) throw std::invalid_argument("permuted: tensor of another rank");
  std::vector<Index> strides(rank, 1);
  for (std::size_t axis = rank - 1; axis > 0; --axis) strides[axis - 1] = strides[axis] * tensor.shape[axis];
  GoldenTensor result;
  for (std::size_t axis : order) result.shape.push_back(tensor.shape[axis]);
  std::vector<Index> at(rank, 0);
  while (result.values.size() < tensor.values.size()) {
    Index offset = 0;
    for (std::size_t axis = 0; axis < rank; ++axis) offset += at[axis] * strides[order[axis]];
    result.values.push_back(tensor.values[static_cast<std::size_t>(offset)]);
    for (std::size_t axis = rank; axis-- > 0 && ++at[axis] == result.shape[axis];) at[axis] = 0;
  }
  return result;
}

GoldenTensor conv_weights_to_ours(const GoldenTensor& w) {
  return permuted(w, {0, 2, 3, 1});
}

GoldenTensor conv_weights_to_pytorch(const GoldenTensor& w) {
  return permuted(w, {0, 3, 1, 2});
}

GoldenTensor conv_transpose_weights_to_ours(const GoldenTensor& w) {
  return permuted(w, {2, 3, 1, 0});
}

GoldenTensor conv_transpose_weights_to_pytorch(const GoldenTensor& w) {
  return permuted(w, {3, 2, 0, 1});
}

double largest_magnitude(const std::vector<double>& values) {
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

void expect_golden(const gradcheck::Array& actual, const gradcheck::Array& expected, double largest_of_case) {
  const double bound = golden_bound(largest_magnitude(expected.values), largest_of_case);
  EXPECT_TRUE(close(actual, expected, everywhere(expected, bound)));
}

void expect_golden_layer(const gradcheck::LayerCase& layer, const Golden& golden,
                         const std::vector<std::string>& inputs, const std::string& output) {
  SCOPED_TRACE(layer.name);
  ASSERT_EQ(layer.inputs.size(), inputs.size());
  std::vector<gradcheck::Array> values;
  double largest_gradient = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    values.push_back(golden.array(inputs[i]));
    ASSERT_EQ(layer.inputs[i].values.size(), values[i].values.size()) << inputs[i];
    largest_gradient = std::max(largest_gradient, largest_magnitude(golden.at("d" + inputs[i]).values));
  }
  const gradcheck::Forward forward = layer.forward(values);
  ASSERT_EQ(forward.outputs.size(), 1u);
  expect_golden(forward.outputs[0], golden.array(output), largest_gradient);

  const bool has_upstream = golden.tensors.count("d" + output) > 0;
  const gradcheck::Array upstream = has_upstream ? golden.array("d" + output) : gradcheck::Array{"d" + output, {1.0}};
  const std::vector<gradcheck::Array> gradients = layer.backward(values, {upstream});
  ASSERT_EQ(gradients.size(), inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    expect_golden(gradients[i], golden.array("d" + inputs[i]), largest_gradient);
}

}  // namespace attnunet
