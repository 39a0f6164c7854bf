// An ONNX runtime of a page: the eight operations that our networks are made of, as the ONNX standard defines them, in
// plain loops in double, but with nothing broadcast. Slow, and shares nothing with what it checks. NCHW.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>

#include "support/golden.h"
#include "support/protobuf.h"

namespace attnunet::onnx_interpreter {

using Tensor = GoldenTensor;

struct Node {
  std::string operation;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, std::vector<std::int64_t>> attributes;
};

struct Graph {
  std::vector<Node> nodes;
  std::map<std::string, Tensor> initializers;
};

/// From GraphProto. Throws where something has not the fields that it must have.
inline Graph read_graph(const protobuf::Message& message) {
  Graph graph;
  for (const protobuf::Message& m : message.messages(1)) {
    Node node{m.text(4), m.all(1), m.all(2), {}};
    for (const protobuf::Message& a : m.messages(5)) {
      const std::int64_t kind = a.value(20);
      if (kind != 2 && kind != 7) throw std::runtime_error("attribute " + a.text(1) + " is of an unknown kind");
      node.attributes[a.text(1)] = a.numbers(kind == 2 ? 3 : 8);
    }
    graph.nodes.push_back(node);
  }
  for (const protobuf::Message& m : message.messages(5)) {
    if (m.value(2) != 1) throw std::runtime_error("initializer " + m.text(8) + " is not float32");
    Tensor tensor{m.numbers(1), {}};
    const std::string raw = m.text(9);
    std::vector<float> values(raw.size() / sizeof(float));
    std::memcpy(values.data(), raw.data(), raw.size());
    tensor.values.assign(values.begin(), values.end());
    Index size = 1;
    for (const Index extent : tensor.shape) size *= extent;
    if (size != static_cast<Index>(values.size())) throw std::runtime_error(m.text(8) + " has not its shape's size");
    if (!graph.initializers.emplace(m.text(8), tensor).second) throw std::runtime_error(m.text(8) + " is there twice");
  }
  return graph;
}

inline double& at(Tensor& t, Index n, Index c, Index h, Index w) {
  return t.values.at(static_cast<std::size_t>(((n * t.shape[1] + c) * t.shape[2] + h) * t.shape[3] + w));
}
inline double at(const Tensor& t, Index n, Index c, Index h, Index w) {
  return at(const_cast<Tensor&>(t), n, c, h, w);
}
inline Tensor zeros(const std::vector<Index>& shape) {
  return {shape, std::vector<double>(static_cast<std::size_t>(shape[0] * shape[1] * shape[2] * shape[3]))};
}
/// f(n, c, h, w) over all of a shape.
template <class F>
void each(const std::vector<Index>& shape, F f) {
  for (Index n = 0; n < shape[0]; ++n)
    for (Index c = 0; c < shape[1]; ++c)
      for (Index h = 0; h < shape[2]; ++h)
        for (Index w = 0; w < shape[3]; ++w) f(n, c, h, w);
}

inline Tensor run_node(const Node& node, const std::vector<const Tensor*>& in) {
  const Tensor& x = *in.at(0);
  const auto attribute = [&](const char* name) { return node.attributes.at(name); };
  if (node.operation == "Conv") {
    const Tensor& w = *in.at(1);
    const Index pad = attribute("pads").at(0), R = attribute("kernel_shape").at(0);
    Tensor y = zeros({x.shape[0], w.shape[0], x.shape[2] + 2 * pad - R + 1, x.shape[3] + 2 * pad - R + 1});
    each(y.shape, [&](Index n, Index k, Index h, Index v) {
      double sum = in.size() < 3 ? 0 : in[2]->values.at(static_cast<std::size_t>(k));  // a convolution may have no bias
      for (Index c = 0; c < w.shape[1]; ++c)
        for (Index r = 0; r < R; ++r)
          for (Index s = 0; s < R; ++s) {
            const Index i = h + r - pad, j = v + s - pad;
            if (i >= 0 && i < x.shape[2] && j >= 0 && j < x.shape[3]) sum += at(w, k, c, r, s) * at(x, n, c, i, j);
          }
      at(y, n, k, h, v) = sum;
    });
    return y;
  }
  if (node.operation == "ConvTranspose") {
    const Tensor &w = *in.at(1), &b = *in.at(2);
    const Index stride = attribute("strides").at(0), R = attribute("kernel_shape").at(0);
    Tensor y = zeros({x.shape[0], w.shape[1], (x.shape[2] - 1) * stride + R, (x.shape[3] - 1) * stride + R});
    each(y.shape,
         [&](Index n, Index k, Index h, Index v) { at(y, n, k, h, v) = b.values.at(static_cast<std::size_t>(k)); });
    each(x.shape, [&](Index n, Index c, Index h, Index v) {
      for (Index k = 0; k < w.shape[1]; ++k)
        for (Index r = 0; r < R; ++r)
          for (Index s = 0; s < R; ++s)
            at(y, n, k, h * stride + r, v * stride + s) += at(w, c, k, r, s) * at(x, n, c, h, v);
    });
    return y;
  }
  if (node.operation == "MaxPool") {
    const Index stride = attribute("strides").at(0), R = attribute("kernel_shape").at(0);
    Tensor y = zeros({x.shape[0], x.shape[1], (x.shape[2] - R) / stride + 1, (x.shape[3] - R) / stride + 1});
    each(y.shape, [&](Index n, Index c, Index h, Index v) {
      double largest = at(x, n, c, h * stride, v * stride);
      for (Index r = 0; r < R; ++r)
        for (Index s = 0; s < R; ++s) largest = std::max(largest, at(x, n, c, h * stride + r, v * stride + s));
      at(y, n, c, h, v) = largest;
    });
    return y;
  }
  if (node.operation == "Concat") {
    if (attribute("axis") != std::vector<std::int64_t>{1}) throw std::runtime_error("Concat: another axis");
    const Tensor& b = *in.at(1);
    Tensor y = zeros({x.shape[0], x.shape[1] + b.shape[1], x.shape[2], x.shape[3]});
    each(y.shape, [&](Index n, Index c, Index h, Index w) {
      at(y, n, c, h, w) = c < x.shape[1] ? at(x, n, c, h, w) : at(b, n, c - x.shape[1], h, w);
    });
    return y;
  }
  Tensor y = x;
  if (node.operation == "Add" || node.operation == "Mul") {
    const Tensor& b = *in.at(1);
    if (b.shape != x.shape)
      throw std::runtime_error(node.operation + ": operands of two shapes, which OpenCV 4.6 refuses");
    for (std::size_t i = 0; i < y.values.size(); ++i)
      y.values[i] = node.operation == "Add" ? x.values[i] + b.values[i] : x.values[i] * b.values[i];
    return y;
  }
  for (double& value : y.values) {
    if (node.operation == "Relu")
      value = std::max(value, 0.0);
    else if (node.operation == "Sigmoid")
      value = 1 / (1 + std::exp(-value));
    else
      throw std::runtime_error("unknown operation " + node.operation);
  }
  return y;
}

/// All results by name. Throws where a node takes what nobody has made yet.
inline std::map<std::string, Tensor> run(const Graph& graph, const std::map<std::string, Tensor>& inputs) {
  std::map<std::string, Tensor> made = inputs;
  made.insert(graph.initializers.begin(), graph.initializers.end());
  for (const Node& node : graph.nodes) {
    std::vector<const Tensor*> in;
    for (const std::string& name : node.inputs) {
      if (made.count(name) == 0) throw std::runtime_error(node.outputs.at(0) + " takes " + name + ", not made yet");
      in.push_back(&made.at(name));
    }
    Tensor result = run_node(node, in);
    if (!made.emplace(node.outputs.at(0), std::move(result)).second)
      throw std::runtime_error(node.outputs[0] + " is made twice");
  }
  return made;
}

}  // namespace attnunet::onnx_interpreter
