// The step at which training diverges, found without waiting for the device.
//
// The device remembers the first step whose loss is not finite (src/cpu/divergence.h). One copy of that number after
// another is on its way to the host, which looks at each step whether it has arrived. It waits for one only if it is
// longest_way steps behind: by then the device has that many steps still to do, so nothing stands idle. A copy that
// starts before a bad step tells nothing of it, the next one does: two of them, so the host knows of it less than 64
// steps later.
// Where operations are done when they return (the CPU) it knows at once.
#pragma once

#include "common/core/geometry.h"

namespace attnunet {

template <class B>
class DivergenceWatch {
 public:
  explicit DivergenceWatch(typename B::Device& device) : device_(device), first_(device, 1), copy_(device) {
    fill_zero(device_, first_.data(), first_.size());
  }

  /// The device memory of such a watch.
  static Index bytes() { return static_cast<Index>(sizeof(Index)); }

  /// Once per step, with its number (from 1) and its losses [N] in device memory. The first step whose loss is not
  /// finite, if the host knows of one by now; else 0.
  Index look(const double* losses, Index N, Index step) {
    record_divergence(device_, first_.data(), losses, N, step);
    if (!on_its_way_) {
      copy_.start(first_.data());
      on_its_way_ = true;
      started_ = step;
    }
    if (!copy_.arrived() && step - started_ < longest_way) return 0;
    on_its_way_ = false;
    return copy_.value();
  }

 private:
  static constexpr Index longest_way = 30;

  typename B::Device& device_;
  typename B::template Buffer<Index> first_;
  typename B::template LateCopy<Index> copy_;
  bool on_its_way_ = false;
  Index started_ = 0;
};

}  // namespace attnunet
