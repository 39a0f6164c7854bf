// ONNX files (onnx.ai): a graph of named operations and their weights, for runtimes that know nothing of us.
//
// The format is a protobuf message. Its wire format is a sequence of fields, each a key (number * 8 + wire type) and a
// value: a varint (wire type 0: 7 bits a byte, lowest first, the top bit set where more follow), or a length as a
// varint and so many bytes (wire type 2: strings, raw data, messages inside messages). Which number means what stands
// in onnx.proto and, for what we need, in onnx.cpp. The same model gives the same bytes: fields are written in the
// order of their numbers, lists as they are given.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet::onnx {

/// Operations mean what they do in this version of the standard set, which every runtime since 2020 knows.
constexpr int opset = 13;

/// An input or output of the model: an extent is a number, or a name for one that the caller chooses.
struct Value {
  std::string name, description;
  std::vector<std::string> shape;
};

/// Weights: as many values as the product of the shape, C order.
struct Tensor {
  std::string name;
  std::vector<Index> shape;
  std::vector<float> values;
};

/// A list of whole numbers, as kernel_shape = {3, 3}, or one alone, as axis = 1.
struct Attribute {
  std::string name;
  std::vector<Index> values;
  bool is_list = true;
};

struct Node {
  std::string operation;  ///< "Conv"
  std::vector<std::string> inputs;
  std::string output;  ///< also the node's name
  std::vector<Attribute> attributes;
};

struct Model {
  std::string name, description, producer_version;
  std::vector<Node> nodes;  ///< in an order in which they can run
  std::vector<Tensor> tensors;
  std::vector<Value> inputs, outputs;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// The file. Throws Error where it would exceed the 2 GiB that a protobuf message may have.
std::string serialise(const Model& model);

}  // namespace attnunet::onnx
