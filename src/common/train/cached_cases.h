// Decoded cases in device memory, 8 bits a pixel: an epoch then brings nothing to the device but the order it takes
// them in.
#pragma once

#include <map>
#include <vector>

#include "common/data/loader.h"

namespace attnunet {

template <class B>
class CachedCases {
 public:
  /// Decodes the cases (indices into the dataset), each once, with so many threads. Throws the Error of the first that
  /// cannot be read.
  CachedCases(typename B::Device& device, const data::Dataset& dataset, const std::vector<std::size_t>& cases,
              const ImageSize& size, int threads)
      : images_(device, static_cast<Index>(cases.size()) * size.pixels()), masks_(device, images_.size()) {
    if (cases.empty()) return;
    constexpr Index at_once = 16;
    data::Loader loader(dataset, size, data::Augment::none, 0, threads, 0);
    Index done = 0;
    for (loader.start(cases, 0, at_once); !loader.at_end();) {
      const data::Batch& batch = loader.next();
      const Index first = done * size.pixels(), pixels = batch.count * size.pixels();
      copy_to_device(device, images_.data() + first, batch.images.data(), pixels);
      copy_to_device(device, masks_.data() + first, batch.masks.data(), pixels);
      for (const std::size_t one : batch.cases) places_[one] = static_cast<std::int32_t>(done++);
    }
  }

  /// The device memory of so many cases.
  static Index bytes(std::size_t cases, const ImageSize& size) { return 2 * static_cast<Index>(cases) * size.pixels(); }

  const std::uint8_t* images() const { return images_.data(); }
  const std::uint8_t* masks() const { return masks_.data(); }
  /// Where a case stands in images() and masks(); std::out_of_range where it is not among them.
  std::int32_t place(std::size_t one) const { return places_.at(one); }

 private:
  typename B::template Buffer<std::uint8_t> images_, masks_;
  std::map<std::size_t, std::int32_t> places_;
};

}  // namespace attnunet
