// A layer seen from outside: arrays of double on the host in, arrays out, whatever backend and precision works inside.
//
// One case per layer serves every oracle: numeric gradients (check.h), golden vectors from PyTorch, float32 against
// double, backend against backend. The case uploads its inputs, poisons every output with NaN (an element that the
// layer does not write cannot pass for a right one), runs the layer and downloads the results.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "common/core/geometry.h"
#include "common/core/random.h"
#include "common/core/tensor_view.h"

namespace attnunet::gradcheck {

struct Array {
  std::string name;
  std::vector<double> values;
};

struct Forward {
  std::vector<Array> outputs;
  /// Which side of every kink the evaluation was on (ReLU masks, pool argmaxes); empty for smooth layers.
  std::vector<std::uint8_t> active_set;
};

struct LayerCase {
  std::string name;  ///< layer and shape, e.g. "relu 35"
  /// What the layer is differentiated by, with values to check at, in the order both functions expect.
  std::vector<Array> inputs;
  std::function<Forward(const std::vector<Array>& inputs)> forward;
  /// Gradients of sum over outputs of dot(d_outputs, outputs), one array per input, in the order of the inputs.
  std::function<std::vector<Array>(const std::vector<Array>& inputs, const std::vector<Array>& d_outputs)> backward;
};

/// n normal numbers of the given mean and standard deviation.
Array random_array(const std::string& name, Index n, Random& random, double mean = 0, double deviation = 1);

template <class B>
typename B::template Buffer<typename B::Scalar> upload(typename B::Device& device, const Array& array) {
  using T = typename B::Scalar;
  std::vector<T> host(array.values.begin(), array.values.end());
  typename B::template Buffer<T> buffer(device, static_cast<Index>(host.size()));
  copy_to_device(device, buffer.data(), host.data(), buffer.size());
  return buffer;
}

/// Output memory in which every element is NaN until the layer writes it.
template <class B>
typename B::template Buffer<typename B::Scalar> poisoned(typename B::Device& device, Index count) {
  return upload<B>(
      device, {"", std::vector<double>(static_cast<std::size_t>(count), std::numeric_limits<double>::quiet_NaN())});
}

template <class B, class Buffer>
Array download(typename B::Device& device, const std::string& name, const Buffer& buffer) {
  std::vector<typename B::Scalar> host(static_cast<std::size_t>(buffer.size()));
  copy_to_host(device, host.data(), buffer.data(), buffer.size());
  return {name, std::vector<double>(host.begin(), host.end())};
}

/// The side of zero of every value: the active set of a ReLU.
std::vector<std::uint8_t> positive(const Array& array);

}  // namespace attnunet::gradcheck
