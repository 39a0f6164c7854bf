// Brings the batches of an epoch to the device, as input and target.
//
// Where the cases are cached on the device, the order of the epoch is all that goes there. Otherwise (the cases do not
// fit there, or are augmented, or are used only once) batches of 8-bit pixels that a Loader made ahead of time are
// uploaded one by one. One operation turns either into numbers: the same bits.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "common/data/loader.h"
#include "common/train/cached_cases.h"

namespace attnunet {

template <class B>
class BatchFeed {
 public:
  using T = typename B::Scalar;

  /// For batches of up to N images of this size and epochs of up to `most` cases. Where `cached` is given it holds
  /// all of them, and kind must be none. The dataset must outlive the feed.
  BatchFeed(typename B::Device& device, const CachedCases<B>* cached, const data::Dataset& dataset,
            const ImageSize& size, data::Augment kind, std::uint64_t seed, Index N, Index most)
      : device_(device),
        cached_(cached),
        P_(size.pixels()),
        order_(device, cached == nullptr ? 0 : most),
        images_(device, cached == nullptr ? N * P_ : 0),
        masks_(device, images_.size()) {
    if (cached == nullptr) loader_.emplace(dataset, size, kind, seed);
  }

  /// The device memory of such a feed.
  static Index bytes(bool cached, const ImageSize& size, Index N, Index most) {
    return cached ? most * static_cast<Index>(sizeof(std::int32_t)) : 2 * N * size.pixels();
  }

  /// Begins an epoch, as data::Loader::start does.
  void start(const std::vector<std::size_t>& cases, std::uint32_t epoch, Index batch_size, Index first_batch = 0) {
    batch_size_ = batch_size;
    next_ = std::min(first_batch * batch_size, static_cast<Index>(cases.size()));
    end_ = static_cast<Index>(cases.size());
    if (loader_) return loader_->start(cases, epoch, batch_size, first_batch);
    places_.clear();
    for (const std::size_t one : cases) places_.push_back(cached_->place(one));
    copy_to_device(device_, order_.data(), places_.data(), end_);
  }

  bool at_end() const { return next_ == end_; }

  /// The next batch, into input and target [n, P]; returns n. Not to be called at_end. Throws the Error of a case that
  /// cannot be read.
  Index next(T* input, T* target) {
    const Index n = std::min(batch_size_, end_ - next_);
    if (loader_) {
      const data::Batch& batch = loader_->next();
      copy_to_device(device_, images_.data(), batch.images.data(), n * P_);
      copy_to_device(device_, masks_.data(), batch.masks.data(), n * P_);
      const std::int32_t* in_their_order = nullptr;
      batch_input(device_, values(input, n * P_), target, images_.data(), masks_.data(), in_their_order, n);
    } else {
      batch_input(device_, values(input, n * P_), target, cached_->images(), cached_->masks(), order_.data() + next_,
                  n);
    }
    next_ += n;
    return n;
  }

 private:
  typename B::Device& device_;
  const CachedCases<B>* cached_;
  Index P_, batch_size_ = 1, next_ = 0, end_ = 0;
  typename B::template Buffer<std::int32_t> order_;
  typename B::template Buffer<std::uint8_t> images_, masks_;
  std::vector<std::int32_t> places_;  // of the epoch; a member, since the device may still be reading it
  std::optional<data::Loader> loader_;
};

}  // namespace attnunet
