// Batches of a dataset, made ahead of time by threads of its own: decoded, resized, augmented.
//
//   Loader loader(dataset, 256, Augment::light, seed);
//   for (loader.start(order, epoch, 16); !loader.at_end();) use(loader.next());
//
// The batches depend on the arguments alone, not on the timing of threads: an item's place is given by the order, its
// augmentation by (seed, epoch, case) and, if the order has the case several times, by which of them it is.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "common/core/geometry.h"
#include "common/core/image_size.h"
#include "common/data/augment.h"
#include "common/data/sample.h"

namespace attnunet::data {

struct Batch {
  Index count = 0;
  std::vector<std::size_t> cases;           ///< indices into Dataset::cases
  std::vector<std::uint8_t> images, masks;  ///< [count, height, width, 1]; image 0..255, mask 0 or 1
};

class Loader {
 public:
  static constexpr std::size_t default_cache_bytes = std::size_t{1} << 30;

  /// The dataset must outlive the loader. Decoded samples (two bytes per pixel) are kept while they take up to
  /// `cache_bytes` together; further cases are decoded anew in every epoch.
  Loader(const Dataset& dataset, const ImageSize& size, Augment kind, std::uint64_t seed, int threads = 2,
         std::size_t cache_bytes = default_cache_bytes);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Begins an epoch: `order` (indices of cases) in batches of `batch_size`, the last of which may be smaller, from
  /// batch number `first_batch` on. Whatever was still under way is dropped.
  void start(std::vector<std::size_t> order, std::uint32_t epoch, Index batch_size, Index first_batch = 0);

  bool at_end() const { return next_ >= batches_; }

  /// The next batch; waits for it. Valid until the following call of next or start. Not to be called at_end. Throws the
  /// Error of its first case that cannot be read. Nothing is allocated once all cases are cached and sizes known.
  const Batch& next();

 private:
  static constexpr Index slots = 3;  ///< one in use, two ahead

  struct Slot {
    Batch batch;
    Index undone = 0;            ///< items still to be made
    Index failed_item = 0;       ///< the first item in order that failed,
    std::exception_ptr failure;  ///< and why
  };

  void work();
  void make_item(Slot& slot, Index item, Sample& scratch);
  const Sample& sample_of(std::size_t one, Sample& scratch);
  Index batch_count(Index batch) const;
  void prepare(Index batch);

  const Dataset& dataset_;
  const ImageSize size_;
  const Augment kind_;
  const std::uint64_t seed_;

  std::vector<Sample> cache_;  ///< a case; written once, under the mutex
  std::vector<bool> cached_;
  std::size_t cache_left_;

  std::vector<std::size_t> order_;
  std::vector<std::uint32_t> draws_;  ///< of each item of order_: how often its case comes before it
  std::uint32_t epoch_ = 0;
  Index batch_size_ = 1, batches_ = 0;
  Index next_ = 0;       ///< the batch that next() gives
  Index prepared_ = 0;   ///< batches below this have a slot
  Index next_item_ = 0;  ///< the item of order_ that a thread takes next
  int working_ = 0;      ///< threads in the middle of an item
  bool stop_ = false;
  Slot slots_[slots];

  std::mutex mutex_;
  std::condition_variable work_changed_, result_changed_;
  std::vector<std::thread> threads_;
};

}  // namespace attnunet::data
