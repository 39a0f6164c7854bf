// The training losses: bce; bce+dice, their sum; tversky; focal (src/cpu/bce.h, dice.h, tversky.h, focal.h).
// The loss of a batch is the mean of its images' losses; each is a mean over images of something each image has of its
// own, so the loss of any set is the mean over its images too.
#pragma once

#include "common/core/focal_options.h"
#include "common/core/names.h"
#include "common/core/tensor_view.h"
#include "common/core/tversky_options.h"

namespace attnunet {

enum class LossKind { bce, bce_dice, tversky, focal };

template <>
struct Names<LossKind> {
  static constexpr const char* option = "loss";
  static constexpr Name<LossKind> table[] = {{LossKind::bce, "bce"},
                                             {LossKind::bce_dice, "bce+dice"},
                                             {LossKind::tversky, "tversky"},
                                             {LossKind::focal, "focal"}};
};

/// A loss and its numbers. Those of the other losses have no effect.
struct LossConfig {
  LossKind kind = LossKind::bce;
  TverskyOptions tversky;
  FocalOptions focal;

  LossConfig() = default;
  LossConfig(LossKind which) : kind(which) {}  // implicit: a loss is mostly no more than its name
};

template <class B>
class Loss {
 public:
  using T = typename B::Scalar;

  /// For batches of up to N images.
  Loss(typename B::Device& device, const LossConfig& config, Index N)
      : config_(config), second_(device, second_size(config.kind, N)), sums_(device, sums_size(config.kind, N)) {}

  /// The device memory of such a loss.
  static Index bytes(const LossConfig& config, Index N) {
    return (second_size(config.kind, N) + sums_size(config.kind, N)) * static_cast<Index>(sizeof(double));
  }

  /// losses [N] of N images, in device memory.
  void forward(typename B::Device& device, double* losses, Values<const T> logits, const T* target, Index N) {
    switch (config_.kind) {
      case LossKind::bce:
        return bce_forward(device, losses, logits, target, N);
      case LossKind::bce_dice:
        bce_forward(device, losses, logits, target, N);
        dice_forward(device, second_.data(), sums_.data(), logits, target, N);
        return add_forward(device, values(losses, N), values(losses, N), values(second_.data(), N));
      case LossKind::tversky:
        return tversky_forward(device, losses, sums_.data(), logits, target, N, config_.tversky);
      case LossKind::focal:
        return focal_forward(device, losses, logits, target, N, config_.focal);
    }
    no_such_value(config_.kind);
  }

  /// d_logits: gradient of the mean of the losses of the batch that forward was called for last.
  void backward(typename B::Device& device, Gradients<T> d_logits, Values<const T> logits, const T* target,
                Index N) const {
    switch (config_.kind) {
      case LossKind::bce:
        return bce_backward(device, d_logits, logits, target, Write::set);
      case LossKind::bce_dice:
        bce_backward(device, d_logits, logits, target, Write::set);
        return dice_backward(device, d_logits, sums_.data(), logits, target, N, Write::add);
      case LossKind::tversky:
        return tversky_backward(device, d_logits, sums_.data(), logits, target, N, config_.tversky);
      case LossKind::focal:
        return focal_backward(device, d_logits, logits, target, config_.focal);
    }
    no_such_value(config_.kind);
  }

 private:
  static Index second_size(LossKind kind, Index N) { return kind == LossKind::bce_dice ? N : 0; }
  static Index sums_size(LossKind kind, Index N) {
    return kind == LossKind::bce_dice || kind == LossKind::tversky ? 3 * N : 0;
  }

  LossConfig config_;
  typename B::template Buffer<double> second_;  ///< losses of the second term, one per image
  typename B::template Buffer<double> sums_;    ///< what forward saves for backward, three per image
};

}  // namespace attnunet
