// Parameters, gradients and running statistics as the blocks see them: pointers into the network's flat buffers.
// A block's parameters are read-only for its passes: XTensors<const T>. Its gradients are XTensors<T>, with the running
// statistics absent.
#pragma once

#include <string>
#include <type_traits>

#include "common/core/batch_norm_views.h"
#include "common/nn/architecture.h"

namespace attnunet {

/// What distinguishes one forward or backward pass from another.
struct Pass {
  bool training = true;    ///< batch statistics and dropout; otherwise running statistics and no dropout
  std::uint64_t seed = 0;  ///< of the dropout masks
  std::uint32_t step = 0;  ///< global step, of the dropout masks
};

/// What a tape is planned for. Inference keeps activations only as long as the forward pass needs them; explanation is
/// an evaluation pass that keeps them and has a backward pass to the output of a block.
enum class Purpose { inference, explanation, training, training_with_input_gradient };

inline bool trains(Purpose purpose) {
  return purpose == Purpose::training || purpose == Purpose::training_with_input_gradient;
}

/// Where and with what a block runs. T is B::Scalar.
template <class B>
struct Run {
  typename B::Device& device;
  Pass pass;
  Index N;
  typename B::Scalar* workspace;
};

/// The flat buffers. T is const for parameters that passes only read; training updates the running statistics all the
/// same. `statistics` is null for gradients.
template <class T>
struct FlatTensors {
  using Statistic = std::remove_const_t<T>;
  const Architecture& architecture;
  T* parameters;
  Statistic* statistics;

  T* parameter(const std::string& name) const { return parameters + architecture.parameter(name).offset; }
  Statistic* statistic(const std::string& name) const {
    return statistics == nullptr ? nullptr : statistics + architecture.statistic(name).offset;
  }
};

template <class T>
struct BatchNormTensors {
  BatchNormParameters<T> parameters;
  RunningStatistics<std::remove_const_t<T>> running;

  BatchNormTensors(const FlatTensors<T>& flat, const std::string& name)
      : parameters{flat.parameter(name + ".weight"), flat.parameter(name + ".bias")},
        running{flat.statistic(name + ".running_mean"), flat.statistic(name + ".running_var")} {}
};

}  // namespace attnunet
