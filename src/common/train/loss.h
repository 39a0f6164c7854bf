// The training losses: bce, and bce+dice, their sum (src/cpu/bce.h, src/cpu/dice.h).
// The loss of a batch is the mean of its images' losses; both parts are means over images of something each image has
// of its own, so the loss of any set is the mean over its images too.
#pragma once

#include "common/core/names.h"
#include "common/core/tensor_view.h"

namespace attnunet {

enum class LossKind { bce, bce_dice };

template <>
struct Names<LossKind> {
  static constexpr const char* option = "loss";
  static constexpr Name<LossKind> table[] = {{LossKind::bce, "bce"}, {LossKind::bce_dice, "bce+dice"}};
};

inline bool has_dice(LossKind kind) {
  switch (kind) {
    case LossKind::bce:
      return false;
    case LossKind::bce_dice:
      return true;
  }
  no_such_value(kind);
}

template <class B>
class Loss {
 public:
  using T = typename B::Scalar;

  /// For batches of up to N images.
  Loss(typename B::Device& device, LossKind kind, Index N)
      : with_dice_(has_dice(kind)), dice_(device, with_dice_ ? N : 0), dice_sums_(device, with_dice_ ? 3 * N : 0) {}

  /// The device memory of such a loss.
  static Index bytes(LossKind kind, Index N) { return has_dice(kind) ? 4 * N * static_cast<Index>(sizeof(double)) : 0; }

  /// losses [N] of N images, in device memory.
  void forward(typename B::Device& device, double* losses, Values<const T> logits, const T* target, Index N) {
    bce_forward(device, losses, logits, target, N);
    if (!with_dice_) return;
    dice_forward(device, dice_.data(), dice_sums_.data(), logits, target, N);
    add_forward(device, values(losses, N), values(losses, N), values(dice_.data(), N));
  }

  /// d_logits: gradient of the mean of the losses of the batch that forward was called for last.
  void backward(typename B::Device& device, Gradients<T> d_logits, Values<const T> logits, const T* target,
                Index N) const {
    bce_backward(device, d_logits, logits, target, Write::set);
    if (with_dice_) dice_backward(device, d_logits, dice_sums_.data(), logits, target, N, Write::add);
  }

 private:
  bool with_dice_;
  typename B::template Buffer<double> dice_, dice_sums_;
};

}  // namespace attnunet
