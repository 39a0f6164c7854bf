#include "common/data/loader.h"

#include <algorithm>
#include <utility>

namespace attnunet::data {

Loader::Loader(const Dataset& dataset, const ImageSize& size, Augment kind, std::uint64_t seed, int threads,
               std::size_t cache_bytes)
    : dataset_(dataset),
      size_(size),
      kind_(kind),
      seed_(seed),
      cache_(dataset.cases.size()),
      cached_(dataset.cases.size(), false),
      cache_left_(cache_bytes) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Index Loader::batch_count(Index batch) const {
  return std::min(batch_size_, static_cast<Index>(order_.size()) - batch * batch_size_);
}

/// Opens a slot for the batch: from now on its items may be made. The mutex is held.
void Loader::prepare(Index batch) {
  Slot& slot = slots_[batch % slots];
  slot.batch.count = slot.undone = batch_count(batch);
  slot.failure = nullptr;
  const auto count = static_cast<std::size_t>(slot.batch.count);
  const std::size_t pixels = static_cast<std::size_t>(size_.pixels());
  slot.batch.images.resize(count * pixels);
  slot.batch.masks.resize(count * pixels);
  const auto first = order_.begin() + batch * batch_size_;
  slot.batch.cases.assign(first, first + slot.batch.count);
  prepared_ = batch + 1;
}

void Loader::start(std::vector<std::size_t> order, std::uint32_t epoch, Index batch_size, Index first_batch) {
  std::unique_lock lock(mutex_);
  next_item_ = prepared_ * batch_size_;  // nothing left to take
  result_changed_.wait(lock, [&] { return working_ == 0; });
  order_ = std::move(order);
  draws_.clear();
  std::vector<std::uint32_t> before(dataset_.cases.size(), 0);
  for (const std::size_t one : order_) draws_.push_back(before[one]++);
  epoch_ = epoch;
  batch_size_ = batch_size;
  batches_ = (static_cast<Index>(order_.size()) + batch_size - 1) / batch_size;
  next_ = prepared_ = first_batch;
  next_item_ = first_batch * batch_size;
  while (prepared_ < std::min(first_batch + slots - 1, batches_)) prepare(prepared_);
  work_changed_.notify_all();
}

const Batch& Loader::next() {
  std::unique_lock lock(mutex_);
  // The batch given before this one is done with: its slot takes the next batch.
  if (prepared_ < batches_) {
    prepare(prepared_);
    work_changed_.notify_all();
  }
  Slot& slot = slots_[next_ % slots];
  result_changed_.wait(lock, [&] { return slot.undone == 0; });
  ++next_;
  if (slot.failure) std::rethrow_exception(slot.failure);
  return slot.batch;
}

void Loader::work() {
  Sample scratch;
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto items = [&] { return std::min(prepared_ * batch_size_, static_cast<Index>(order_.size())); };
    work_changed_.wait(lock, [&] { return stop_ || next_item_ < items(); });
    if (stop_) return;
    const Index item = next_item_++;
    Slot& slot = slots_[item / batch_size_ % slots];
    ++working_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      make_item(slot, item, scratch);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure && (!slot.failure || item < slot.failed_item)) {
      slot.failure = failure;
      slot.failed_item = item;
    }
    --slot.undone;
    --working_;
    result_changed_.notify_all();
  }
}

/// One image and mask of a batch. The mutex is not held: the item's part of the slot is this thread's alone, and the
/// order does not change while anybody works.
void Loader::make_item(Slot& slot, Index item, Sample& scratch) {
  const std::size_t one = order_[static_cast<std::size_t>(item)];
  const Sample* sample = &sample_of(one, scratch);
  if (kind_ != Augment::none) {
    if (sample != &scratch) scratch = *sample;
    // The first draw has the case's own number, the others numbers that no case has.
    const std::size_t number = one + draws_[static_cast<std::size_t>(item)] * dataset_.cases.size();
    augment(scratch, kind_, seed_, epoch_, static_cast<std::uint32_t>(number));
    sample = &scratch;
  }
  const Index offset = item % batch_size_ * size_.pixels();
  std::copy(sample->image.pixels.begin(), sample->image.pixels.end(), slot.batch.images.begin() + offset);
  std::copy(sample->mask.pixels.begin(), sample->mask.pixels.end(), slot.batch.masks.begin() + offset);
}

/// The cached sample, or `scratch` filled with a decoded one that did not fit into the cache.
const Sample& Loader::sample_of(std::size_t one, Sample& scratch) {
  {
    const std::lock_guard lock(mutex_);
    if (cached_[one]) return cache_[one];
  }
  Sample decoded = load(dataset_.cases[one], size_);
  const std::size_t bytes = decoded.image.pixels.size() + decoded.mask.pixels.size();
  const std::lock_guard lock(mutex_);
  if (cached_[one]) return cache_[one];  // another thread met the same case
  if (bytes > cache_left_) {
    scratch = std::move(decoded);
    return scratch;
  }
  cache_left_ -= bytes;
  cache_[one] = std::move(decoded);
  cached_[one] = true;
  return cache_[one];
}

}  // namespace attnunet::data
