// Two backends in lockstep: a float32 CPU device with a companion on another backend. Every operation that a network
// calls runs on the CPU, then on the companion with copies of the same inputs (saved statistics, masks and argmaxes
// among them), and every output is compared. The network goes on with the CPU's results, so that rounding and flipped
// ReLUs of earlier layers do not add up and every operation is held to a bound of its own.
//
// Bounds     Both backends are within float_bound (tolerance.h) of the exact result, hence within twice that of each
//            other. The sums of magnitudes in it are computed in double. Where a result is moved or rounded once there
//            is nothing to choose: the outputs must be equal. 3x3 convolutions are computed directly on the CPU:
//            Winograd's algorithm has other bounds, and sums of magnitudes that it computes may come out below 0.
// Memory     The companion's copies lie as far from a 64-byte boundary as the CPU's memory does, and share memory where
//            the CPU's operands do (dx = dy). Outputs start as NaN. Columns beside an output must keep their bits.
#pragma once

#include <cmath>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/core/batch_norm_views.h"
#include "common/gradcheck/layer_case.h"
#include "support/backends.h"

namespace attnunet::lockstep {

/// What was compared. An output is named by operation and parameter, "relu_forward y".
struct Record {
  struct Output {
    int compared = 0;
    double largest = 0;    ///< value: zeros alone prove nothing
    double tightness = 0;  ///< largest error as a share of its bound; 0 where the outputs must be equal
  };
  std::map<std::string, Output> outputs;
  std::vector<std::string> faults;
  /// The output whose largest element the companion gets wrong by 1 in 1000, each time.
  std::string tampered;
};

template <class Companion>
struct Device : cpu::Device {
  TestDevice<Companion> companion;
  Record record;
  Device() : cpu::Device(1, ConvMethod::direct) { convolve_directly(companion); }
};

template <class Companion>
struct Backend : Cpu<float> {
  using Device = lockstep::Device<Companion>;
};

using Numbers = std::vector<double>;

/// Some columns of a tensor: `channels` elements of each pixel, `stride` from one pixel to the next.
struct Span {
  Index pixels, channels, stride;
  Span(Index n) : pixels(n), channels(1), stride(1) {}  // n numbers side by side, implicitly
  Span(Index pixel_count, Index own, Index apart) : pixels(pixel_count), channels(own), stride(apart) {}
  template <class T, Meaning meaning>
  Span(const TensorView<T, meaning>& view) : Span(view.pixels, view.channels, view.stride) {}

  Index elements() const { return (pixels - 1) * stride + channels; }
  bool contains(Index i) const { return i % stride < channels; }
};

/// The same operand on another device, where at(pointer) has its memory.
template <class U, class At>
U* moved(U* here, const At& at) {
  return at(here);
}
template <class T, Meaning meaning, class At>
TensorView<T, meaning> moved(TensorView<T, meaning> view, const At& at) {
  view.data = at(view.data);
  return view;
}
template <class T, class At>
BatchStatistics<T> moved(const BatchStatistics<T>& statistics, const At& at) {
  return {at(statistics.mean), at(statistics.inv_std)};
}
template <class T, class At>
RunningStatistics<T> moved(const RunningStatistics<T>& statistics, const At& at) {
  return {at(statistics.mean), at(statistics.var)};
}
template <class T, class At>
BatchNormParameters<T> moved(const BatchNormParameters<T>& parameters, const At& at) {
  return {at(parameters.gamma), at(parameters.beta)};
}
template <class T, class At>
BatchNormSaved<T> moved(const BatchNormSaved<T>& saved, const At& at) {
  return {moved(saved.x, at), moved(saved.statistics, at), moved(saved.parameters, at)};
}

template <class T, class At>
Epilogue<T> moved(Epilogue<T> epilogue, const At& at) {
  epilogue.bias = at(epilogue.bias);
  return epilogue;
}

/// One operation on both.
template <class Companion>
class Operation {
 public:
  Operation(Device<Companion>& device, const char* name) : device_(device), name_(name) {}

  template <class U>
  void in(const U* here, const Span& span) {
    if (here != nullptr) copy(here, span);
  }
  template <class T, Meaning meaning>
  void in(const TensorView<T, meaning>& view) {
    in(view.data, view);
  }
  /// Overwritten, wherever `in` has not named the same memory.
  template <class U>
  void out(U* here, const Span& span) {
    if (here == nullptr || find(here) != nullptr) return;
    Operand& operand = copy(here, span);
    std::vector<U> poison(operand.before.size() / sizeof(U));
    std::memcpy(poison.data(), operand.before.data(), operand.before.size());
    for (Index i = 0; i < span.elements(); ++i)
      if (span.contains(i)) std::memset(&poison[static_cast<std::size_t>(i)], 0xFF, sizeof(U));
    copy_to_device(base(device_.companion), at(here), poison.data(), static_cast<Index>(poison.size()));
  }
  template <class T, Meaning meaning>
  void out(const TensorView<T, meaning>& view) {
    out(view.data, view);
  }
  /// `elements` as the companion needs them, NaN.
  template <class U>
  void workspace(U* here, Index elements) {
    const std::vector<std::byte> poison(static_cast<std::size_t>(elements) * sizeof(U), std::byte{0xFF});
    Operand operand{here, 1, {}, {}};
    operand.memory = Bytes(base(device_.companion), static_cast<Index>(poison.size()));
    operand.at = operand.memory.data();
    copy_to_device(base(device_.companion), operand.at, poison.data(), static_cast<Index>(poison.size()));
    operands_.push_back(std::move(operand));
  }

  /// call(device, at): the operation, with at(operand) for each pointer, view or structure of pointers.
  template <class Call>
  void run(const Call& call) {
    call(static_cast<cpu::Device&>(device_), [](const auto& operand) { return operand; });
    call(base(device_.companion),
         [this](const auto& operand) { return moved(operand, [this](auto* here) { return at(here); }); });
  }

  /// Magnitudes of what lay in an operand's columns before the operation, in double.
  Numbers sizes(const float* here) const {
    const Operand* operand = find(here);
    if (operand == nullptr) return {};
    Numbers result;
    for (Index i = 0; i < operand->span.elements(); ++i) {
      float value;
      std::memcpy(&value, operand->before.data() + static_cast<std::size_t>(i) * sizeof value, sizeof value);
      if (operand->span.contains(i)) result.push_back(std::abs(static_cast<double>(value)));
    }
    return result;
  }

  template <class T, Meaning meaning>
  Numbers sizes(const TensorView<T, meaning>& view) const {
    return sizes(view.data);
  }
  template <class Here>
  gradcheck::Array array(const Here& here) const {
    return {name_, sizes(here)};
  }

  /// `bounds` has one entry for each element of the output's columns; none: the outputs must be equal.
  template <class U>
  void compare(const char* output, const U* here, const Numbers& bounds = {}) {
    if (here == nullptr) return;
    const Operand& operand = *find(here);
    const std::string name = std::string(name_) + " " + output;
    if (device_.record.tampered == name) tamper<U>(operand);
    const std::vector<U> there = fetch<U>(operand);
    Record::Output& record = device_.record.outputs[name];
    ++record.compared;
    std::size_t own = 0;
    for (Index i = 0; i < operand.span.elements(); ++i) {
      const U &value = here[i], &other = there[static_cast<std::size_t>(i)];
      if (!operand.span.contains(i)) {
        if (std::memcmp(&other, operand.before.data() + static_cast<std::size_t>(i) * sizeof(U), sizeof(U)) != 0)
          return fault(name, i, "another column was touched");
        continue;
      }
      const double expected = static_cast<double>(value), actual = static_cast<double>(other);
      const double bound = bounds.empty() ? 0 : bounds.at(own++), error = std::abs(actual - expected);
      if (!(error <= bound))
        return fault(name, i,
                     std::to_string(actual) + ", the CPU has " + std::to_string(expected) + ", error " +
                         std::to_string(error / bound) + " bounds");
      record.largest = std::max(record.largest, std::abs(expected));
      if (bound > 0) record.tightness = std::max(record.tightness, error / bound);
    }
  }
  template <class T, Meaning meaning>
  void compare(const char* output, const TensorView<T, meaning>& view, const Numbers& bounds = {}) {
    compare(output, static_cast<const T*>(view.data), bounds);
  }

 private:
  using Bytes = typename Companion::template Buffer<std::byte>;
  struct Operand {
    const void* here;
    Span span;
    std::vector<std::byte> before;
    Bytes memory;
    std::byte* at = nullptr;
  };
  static typename Companion::Device& base(typename Companion::Device& device) { return device; }

  const Operand* find(const void* here) const {
    for (const Operand& operand : operands_)
      if (operand.here == here) return &operand;
    return nullptr;
  }
  template <class U>
  U* at(U* here) const {
    const Operand* operand = find(here);
    if (here != nullptr && operand == nullptr) throw std::logic_error(std::string(name_) + ": an operand has no name");
    return operand == nullptr ? nullptr : reinterpret_cast<U*>(operand->at);
  }
  template <class U>
  Operand& copy(const U* here, const Span& span) {
    Operand operand{here, span, std::vector<std::byte>(static_cast<std::size_t>(span.elements()) * sizeof(U)), {}};
    std::memcpy(operand.before.data(), here, operand.before.size());
    const Index bytes = static_cast<Index>(operand.before.size());
    const Index offset = static_cast<Index>(reinterpret_cast<std::uintptr_t>(here) % 64);
    operand.memory = Bytes(base(device_.companion), offset + bytes);
    operand.at = operand.memory.data() + offset;
    copy_to_device(base(device_.companion), operand.at, operand.before.data(), bytes);
    operands_.push_back(std::move(operand));
    return operands_.back();
  }
  template <class U>
  std::vector<U> fetch(const Operand& operand) {
    std::vector<U> there(static_cast<std::size_t>(operand.span.elements()));
    copy_to_host(base(device_.companion), there.data(), reinterpret_cast<const U*>(operand.at),
                 operand.span.elements());
    return there;
  }
  template <class U>
  void tamper(const Operand& operand) {
    const std::vector<U> there = fetch<U>(operand);
    Index largest = 0;
    const auto size = [&](Index i) { return std::abs(static_cast<double>(there[static_cast<std::size_t>(i)])); };
    for (Index i = 0; i < operand.span.elements(); ++i)
      if (operand.span.contains(i) && size(i) > size(largest)) largest = i;
    U value = there[static_cast<std::size_t>(largest)];
    if constexpr (std::is_integral_v<U>)
      value = value == 0;
    else
      value *= U(1.001);
    copy_to_device(base(device_.companion), reinterpret_cast<U*>(operand.at) + largest, &value, 1);
  }
  void fault(const std::string& name, Index i, const std::string& what) {
    device_.record.faults.push_back(name + "[" + std::to_string(i) + "]: " + what);
  }

  Device<Companion>& device_;
  const char* name_;
  std::vector<Operand> operands_;
};

}  // namespace attnunet::lockstep
