// The moving average of a training's weights (src/cpu/ema.h), and a network that runs on it.
// Proof: tests/trainer_test.cpp
#pragma once

#include <vector>

#include "common/core/ema_decay.h"
#include "common/nn/attention_unet.h"

namespace attnunet {

template <class B>
class WeightAverage {
 public:
  using T = typename B::Scalar;

  /// Starts from these averages, flat buffers of the architecture.
  WeightAverage(typename B::Device& device, const Architecture& architecture, double decay,
                const std::vector<float>& parameters, const std::vector<float>& statistics)
      : device_(device),
        decay_(decay),
        parameters_(device, architecture.parameter_elements),
        statistics_(device, architecture.statistics_elements),
        network_(device, architecture, false) {
    copy_to_device(device_, parameters_.data(), parameters.data(), parameters_.size());
    copy_to_device(device_, statistics_.data(), statistics.data(), statistics_.size());
  }

  /// The device memory of such an average.
  static Index bytes(const Architecture& architecture) {
    return AttentionUNet<B>::bytes(architecture, false) +
           static_cast<Index>(sizeof(T)) * (architecture.parameter_elements + architecture.statistics_elements);
  }

  /// Follows the network after step number `step`, from 1.
  void follow(const AttentionUNet<B>& trained, Index step) {
    const double decay = ema_decay(decay_, step);
    ema_step(device_, parameters_.data(), trained.parameters(), parameters_.size(), decay);
    ema_step(device_, statistics_.data(), trained.statistics(), statistics_.size(), decay);
    network_is_current_ = false;
  }

  const T* parameters() const { return parameters_.data(); }
  const T* statistics() const { return statistics_.data(); }

  /// For evaluation, with the averages as they are now.
  AttentionUNet<B>& network() {
    if (!network_is_current_) network_.load_from_device(parameters_.data(), statistics_.data());
    network_is_current_ = true;
    return network_;
  }

 private:
  typename B::Device& device_;
  double decay_;
  typename B::template Buffer<T> parameters_, statistics_;
  AttentionUNet<B> network_;
  bool network_is_current_ = false;
};

}  // namespace attnunet
