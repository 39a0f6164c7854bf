// Scores of cases in evaluation mode: running statistics, no dropout, no augmentation.
#pragma once

#include <functional>
#include <vector>

#include "common/train/batch_feed.h"
#include "common/train/scorer.h"

namespace attnunet {

template <class B>
class Evaluator {
 public:
  /// For up to `most` cases of this size in batches of up to `batch` images. The dataset must outlive it. Where the
  /// cases are used again and again `cached` may hold all of them.
  Evaluator(typename B::Device& device, const data::Dataset& dataset, const ImageSize& size, const LossConfig& loss,
            Index batch, Index most, const CachedCases<B>* cached = nullptr)
      : feed_(device, cached, dataset, size, data::Augment::none, 0, batch, most),
        scorer_(device, loss, batch, size.pixels(), most),
        batch_(batch) {}

  /// The device memory of such an evaluator.
  static Index bytes(const ImageSize& size, const LossConfig& loss, Index batch, Index most, bool cached = false) {
    return BatchFeed<B>::bytes(cached, size, batch, most) + Scorer<B>::bytes(loss, batch, size.pixels(), most);
  }

  /// The scores of the cases (indices into the dataset), in their order. The tape is planned for at least the batch;
  /// one planned for training does as well. go_on(images done) is asked after each batch: if it says no, the scores
  /// are those so far. The network is an AttentionUNet, or what has the same forward pass over a tape.
  template <class Network>
  std::vector<ImageScore> run(
      Network& network, AttentionUNetTape<B>& tape, const std::vector<std::size_t>& cases,
      const std::function<bool(Index)>& go_on = [](Index) { return true; }) {
    Pass pass;
    pass.training = false;
    Index done = 0;
    feed_.start(cases, 0, batch_);
    while (!feed_.at_end()) {
      tape.set_batch(feed_.next(tape.input, scorer_.target()));
      network.forward(tape, pass);
      scorer_.score(tape, done);
      done += tape.batch;
      if (!go_on(done)) break;
    }
    std::vector<ImageScore> scores;
    scorer_.read(0, done, [&](const ImageScore& score) { scores.push_back(score); });
    return scores;
  }

  /// [n, height, width], in device memory: the truth of the batch that go_on is told of, whose logits are in the tape.
  const typename B::Scalar* truth() { return scorer_.target(); }

 private:
  BatchFeed<B> feed_;
  Scorer<B> scorer_;
  Index batch_;
};

}  // namespace attnunet
