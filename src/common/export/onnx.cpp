#include "common/export/onnx.h"

#include <algorithm>
#include <cstring>

#include "common/core/error.h"

namespace attnunet::onnx {
namespace {

constexpr std::uint64_t largest_message = 0x7FFFFFFF;

/// The bytes of a message as its fields are appended.
struct Message {
  std::string bytes;

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
    bytes.push_back(static_cast<char>(value));
  }
  void number(std::uint32_t field, Index value) {
    varint(field << 3);
    varint(static_cast<std::uint64_t>(value));
  }
  void head(std::uint32_t field, std::size_t length) {
    varint(field << 3 | 2);
    varint(length);
  }
  void text(std::uint32_t field, const std::string& value) {
    head(field, value.size());
    bytes += value;
  }
  void message(std::uint32_t field, const Message& value) { text(field, value.bytes); }
};

Message pair_message(const std::pair<std::string, std::string>& entry) {  // StringStringEntryProto
  Message m;
  m.text(1, entry.first);
  m.text(2, entry.second);
  return m;
}

Message attribute_message(const Attribute& attribute) {  // AttributeProto
  constexpr Index kind_int = 2, kind_ints = 7;
  Message m;
  m.text(1, attribute.name);
  for (const Index value : attribute.values) m.number(attribute.is_list ? 8 : 3, value);
  m.number(20, attribute.is_list ? kind_ints : kind_int);
  return m;
}

Message node_message(const Node& node) {  // NodeProto
  Message m;
  for (const std::string& input : node.inputs) m.text(1, input);
  m.text(2, node.output);
  m.text(3, node.output);
  m.text(4, node.operation);
  for (const Attribute& attribute : node.attributes) m.message(5, attribute_message(attribute));
  return m;
}

constexpr Index float32 = 1;  // TensorProto.DataType

Message tensor_message(const Tensor& tensor) {  // TensorProto
  Message m;
  for (const Index extent : tensor.shape) m.number(1, extent);
  m.number(2, float32);
  m.text(8, tensor.name);
  const std::size_t length = tensor.values.size() * sizeof(float);
  m.head(9, length);  // raw_data is little endian, as the machines that we run on are
  m.bytes.append(reinterpret_cast<const char*>(tensor.values.data()), length);
  return m;
}

Message value_message(const Value& value) {  // ValueInfoProto, around TypeProto, Tensor, TensorShapeProto, Dimension
  Message shape, tensor, type, m;
  for (const std::string& extent : value.shape) {
    Message dimension;
    if (std::all_of(extent.begin(), extent.end(), [](char c) { return c >= '0' && c <= '9'; }))
      dimension.number(1, std::stoll(extent));
    else
      dimension.text(2, extent);
    shape.message(1, dimension);
  }
  tensor.number(1, float32);
  tensor.message(2, shape);
  type.message(1, tensor);
  m.text(1, value.name);
  m.message(2, type);
  m.text(3, value.description);
  return m;
}

Message graph_message(const Model& model) {  // GraphProto
  Message m;
  for (const Node& node : model.nodes) m.message(1, node_message(node));
  m.text(2, model.name);
  for (const Tensor& tensor : model.tensors) m.message(5, tensor_message(tensor));
  for (const Value& value : model.inputs) m.message(11, value_message(value));
  for (const Value& value : model.outputs) m.message(12, value_message(value));
  return m;
}

}  // namespace

std::string serialise(const Model& model) {
  std::uint64_t weights = 0;
  for (const Tensor& tensor : model.tensors) {
    std::uint64_t bytes = sizeof(float);
    for (const Index extent : tensor.shape) bytes *= static_cast<std::uint64_t>(extent);
    weights += bytes;
  }
  constexpr std::uint64_t everything_else = 1 << 20;
  if (weights > largest_message - everything_else)
    throw Error("the weights take " + std::to_string(weights >> 20) +
                " MiB, and an ONNX file holds at most 2 GiB: a network with a smaller --base fits");
  constexpr Index ir_version = 7;
  Message m;  // ModelProto
  m.number(1, ir_version);
  m.text(2, "attnunet");
  m.text(3, model.producer_version);
  m.text(6, model.description);
  m.message(7, graph_message(model));
  Message operations;  // OperatorSetIdProto of the standard operations, whose domain has no name
  operations.number(2, opset);
  m.message(8, operations);
  for (const auto& entry : model.metadata) m.message(14, pair_message(entry));
  return m.bytes;
}

}  // namespace attnunet::onnx
