// What training and evaluation do with a batch alike: bring it to the device, score its logits, fetch the scores.
//
// Scores stay in device memory, each image at its place in the epoch, until read fetches them: a backend whose host
// would have to wait for the device can read once an epoch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "common/nn/attention_unet.h"
#include "common/train/loss.h"
#include "common/train/metrics.h"

namespace attnunet {

template <class B>
class Scorer {
 public:
  using T = typename B::Scalar;
  using Tape = AttentionUNetTape<B>;

  /// For batches of up to N images of P pixels, and scores of `images` images.
  Scorer(typename B::Device& device, const std::string& loss, Index N, Index P, Index images)
      : device_(device),
        loss_(device, loss, N),
        P_(P),
        host_(static_cast<std::size_t>(N * P)),
        target_(device, N * P),
        losses_(device, images),
        counts_(device, images),
        host_losses_(static_cast<std::size_t>(images)),
        host_counts_(static_cast<std::size_t>(images)) {}

  /// n images (0 to 255) and masks (0 or 1), P bytes each. Sets the tape's batch, input and this scorer's target.
  void upload(Tape& tape, const std::uint8_t* images, const std::uint8_t* masks, Index n) {
    tape.set_batch(n);
    const Index pixels = n * P_;
    std::transform(images, images + pixels, host_.begin(), [](std::uint8_t v) { return static_cast<T>(v) / T(255); });
    copy_to_device(device_, tape.input, host_.data(), pixels);
    std::transform(masks, masks + pixels, host_.begin(), [](std::uint8_t v) { return static_cast<T>(v); });
    copy_to_device(device_, target_.data(), host_.data(), pixels);
  }

  /// Losses and counts of the tape's logits become the scores of images first, first + 1, ...
  void score(const Tape& tape, Index first) {
    loss_.forward(device_, losses_.data() + first, tape.logits, target_.data(), tape.batch, P_);
    segmentation_counts(device_, counts_.data() + first, tape.logits, target_.data(), tape.batch, P_);
  }

  /// tape.d_logits from the batch that was scored last.
  void backward(Tape& tape) const {
    loss_.backward(device_, tape.d_logits, tape.logits, target_.data(), tape.batch, P_);
  }

  /// Calls visit(ImageScore) for each image from first to last - 1.
  template <class Visit>
  void read(Index first, Index last, Visit visit) {
    copy_to_host(device_, host_losses_.data() + first, losses_.data() + first, last - first);
    copy_to_host(device_, host_counts_.data() + first, counts_.data() + first, last - first);
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i)
      visit(ImageScore{host_losses_[i], host_counts_[i]});
  }

 private:
  typename B::Device& device_;
  Loss<B> loss_;
  Index P_;
  std::vector<T> host_;
  typename B::template Buffer<T> target_;
  typename B::template Buffer<double> losses_;
  typename B::template Buffer<PixelCounts> counts_;
  std::vector<double> host_losses_;
  std::vector<PixelCounts> host_counts_;
};

}  // namespace attnunet
