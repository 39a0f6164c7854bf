// What training and evaluation do with a batch alike: score its logits, fetch the scores.
//
// Scores stay in device memory, each image at its place in the epoch, until read fetches them: a backend whose host
// would have to wait for the device reads once an epoch (B::reads_wait).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "common/nn/attention_unet.h"
#include "common/scores/metrics.h"
#include "common/train/loss.h"

namespace attnunet {

template <class B>
class Scorer {
 public:
  using T = typename B::Scalar;
  using Tape = AttentionUNetTape<B>;

  /// For batches of N images of P pixels, of which the last may be smaller, and scores of `images` images.
  Scorer(typename B::Device& device, const LossConfig& loss, Index N, Index P, Index images)
      : device_(device),
        loss_(device, loss, N),
        N_(N),
        target_(device, N * P),
        scores_(device, images * score_bytes),
        host_(static_cast<std::size_t>(images * score_bytes)) {}

  /// The device memory of such a scorer.
  static Index bytes(const LossConfig& loss, Index N, Index P, Index images) {
    return Loss<B>::bytes(loss, N) + N * P * static_cast<Index>(sizeof(T)) + images * score_bytes;
  }

  /// [N, P], filled by the caller with the truth of the batch.
  T* target() { return target_.data(); }

  /// Losses and counts of the tape's logits become the scores of images first, first + 1, ...; a batch begins at
  /// multiples of N.
  void score(const Tape& tape, Index first) {
    std::byte* scores = scores_.data() + first * score_bytes;
    loss_.forward(device_, losses(scores), tape.logit_values(), target_.data(), tape.batch);
    segmentation_counts(device_, counts(scores, tape.batch), tape.logit_values(), target_.data(), tape.batch);
  }

  /// The losses of the batch whose first image is number `first`, in device memory.
  const double* batch_losses(Index first) { return losses(scores_.data() + first * score_bytes); }

  /// tape.d_logits from the batch that was scored last.
  void backward(Tape& tape) const {
    loss_.backward(device_, tape.logit_gradients(), tape.logit_values(), target_.data(), tape.batch);
  }

  /// Calls visit(ImageScore) for each image of whole batches, from first to last - 1. One read, however many.
  template <class Visit>
  void read(Index first, Index last, Visit visit) {
    copy_to_host(device_, host_.data(), scores_.data() + first * score_bytes, (last - first) * score_bytes);
    for (Index begin = first; begin < last; begin += N_) {
      const Index n = std::min(N_, last - begin);
      std::byte* scores = host_.data() + (begin - first) * score_bytes;
      for (Index i = 0; i < n; ++i) visit(ImageScore{losses(scores)[i], counts(scores, n)[i]});
    }
  }

 private:
  // Batch after batch: its losses, then its counts.
  static constexpr Index score_bytes = sizeof(double) + sizeof(PixelCounts);
  static double* losses(std::byte* scores) { return reinterpret_cast<double*>(scores); }
  static PixelCounts* counts(std::byte* scores, Index n) { return reinterpret_cast<PixelCounts*>(losses(scores) + n); }

  typename B::Device& device_;
  Loss<B> loss_;
  Index N_;
  typename B::template Buffer<T> target_;
  typename B::template Buffer<std::byte> scores_;
  std::vector<std::byte> host_;
};

}  // namespace attnunet
