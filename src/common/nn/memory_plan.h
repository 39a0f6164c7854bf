// Who holds which memory when, worked out once before the first step.
//
// The networks run a fixed sequence of operations, so the moments at which each tensor is written first and read last
// are known beforehand. A plan function of each block walks through the same sequence as its forward and backward,
// calling reserve where a tensor begins and release where it ends; tensors whose lives do not overlap share memory
// (first fit). The sum is one allocation; afterwards a step allocates nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet {

class MemoryPlan {
 public:
  /// `pointer` gets memory for `count` values of U, from this point of the sequence on. It is set by bind, so it must
  /// stay where it is until then.
  template <class U>
  void reserve(U*& pointer, Index count) {
    const Index offset = first_fit(round_up(count * static_cast<Index>(sizeof(U))));
    live_.insert(std::lower_bound(live_.begin(), live_.end(), offset,
                                  [](const Block& block, Index at) { return block.begin < at; }),
                 {offset, offset + round_up(count * static_cast<Index>(sizeof(U))), &pointer});
    bytes_ = std::max(bytes_, live_.back().end);
    binders_.push_back([&pointer, offset](std::byte* base) { pointer = reinterpret_cast<U*>(base + offset); });
  }

  /// The memory of `pointer` may be reused from this point of the sequence on.
  template <class U>
  void release(U*& pointer) {
    const void* key = &pointer;
    const auto found = std::find_if(live_.begin(), live_.end(), [key](const Block& block) { return block.key == key; });
    if (found == live_.end()) throw std::logic_error("memory plan: released what is not reserved");
    live_.erase(found);
  }

  /// Some operation needs this much scratch memory while it runs; all share one piece of the largest size.
  template <class U>
  void need_workspace(Index count) {
    workspace_ = std::max(workspace_, count * static_cast<Index>(sizeof(U)));
  }

  /// Memory for the whole sequence, workspace included.
  Index bytes() const { return bytes_ + round_up(workspace_); }
  /// Where the workspace begins.
  Index workspace_offset() const { return bytes_; }

  /// Sets every reserved pointer; base is 64-byte aligned memory of bytes() bytes.
  void bind(std::byte* base) const {
    for (const auto& binder : binders_) binder(base);
  }

 private:
  struct Block {
    Index begin, end;
    const void* key;
  };
  static Index round_up(Index bytes) { return (bytes + 255) / 256 * 256; }
  Index first_fit(Index bytes) const {
    Index offset = 0;
    for (const Block& block : live_) {
      if (block.begin - offset >= bytes) break;
      offset = std::max(offset, block.end);
    }
    return offset;
  }

  std::vector<Block> live_;  // by begin
  std::vector<std::function<void(std::byte*)>> binders_;
  Index bytes_ = 0, workspace_ = 0;
};

}  // namespace attnunet
