// Which tensor occupies which memory, worked out once before the first step.
//
// The networks run a fixed sequence of operations, so the first and the last operation that touches each tensor are
// known beforehand. They are found by running the passes once on a planning backend (planning.h), which computes
// nothing and reports each operation to the plan. A tensor owns its memory from the first of these operations to the
// last, and tensors whose lifetimes do not overlap may share memory. Tensors are placed one by one, each at the first
// place that is free during its lifetime. The total is one allocation; after that, a step allocates nothing.
//
// A tape may run several sequences, one at a time: a training step, or the forward pass of an evaluation. Nothing
// survives from one to the next, so each tensor has a lifetime in each sequence, and two tensors share memory only if
// their lifetimes overlap in none of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/core/geometry.h"

namespace attnunet {

class MemoryPlan {
 public:
  /// What an operation does with the memory at an address, which may lie inside a tensor.
  struct Access {
    const void* address;
    bool reads, writes;
  };

  /// Adds a tensor of `count` values. While passes are recorded, `pointer` holds an address of its own, at which there
  /// is no memory. bind() sets it to real memory, so it must stay where it is until then.
  template <class U>
  void add(std::string name, U*& pointer, Index count) {
    pointer = static_cast<U*>(add(std::move(name), count * static_cast<Index>(sizeof(U)), &pointer,
                                  [](void* key, void* memory) { *static_cast<U**>(key) = static_cast<U*>(memory); }));
  }
  /// An address for `bytes` that are not part of the plan, such as the parameters: accesses to them are ignored.
  void* outside(Index bytes);

  /// The next operation is the first of sequence number `number` (0, 1, ...), in which nothing is written yet.
  /// Recording a sequence again, as for another batch size, adds to its lifetimes.
  void begin(std::size_t number);
  /// The next operation of the sequence. Throws std::logic_error, naming operation and tensor, if it reads what the
  /// sequence has not written yet, or accesses an address that nobody was given.
  void operation(const char* name, const std::vector<Access>& accesses);
  /// The operation needs this much scratch memory while it runs. All operations share one piece of the largest size.
  void need_workspace(Index bytes);

  /// Places all tensors; call it after the last operation. Tensors that no operation touches get no memory.
  void place();
  /// Memory for all tensors and the workspace.
  Index bytes() const { return bytes_ + round_up(workspace_); }
  /// Where the workspace begins.
  Index workspace_offset() const { return bytes_; }
  /// Sets every pointer; base is 64-byte aligned memory of bytes() bytes. Tensors without memory become null.
  void bind(std::byte* base) const;

 private:
  struct Lifetime {  // the first and the last operation of a sequence that touch a tensor
    Index first = 0, last = -1;
    bool exists() const { return last >= 0; }
  };
  struct Tensor {
    std::string name;
    Index address, bytes;
    void* pointer;
    void (*set)(void* pointer, void* memory);
    std::vector<Lifetime> lifetimes = {};  // by sequence
    Index written = 0;                     // the last recording in which it was written
    Index offset = -1;
  };
  static Index round_up(Index bytes) { return (bytes + 255) / 256 * 256; }
  void* add(std::string name, Index bytes, void* pointer, void (*set)(void*, void*));
  Tensor* find(const char* operation, const void* address);
  static bool overlap(const Tensor& a, const Tensor& b);

  std::vector<Tensor> tensors_;  // by address
  std::size_t sequence_ = 0;
  Index recording_ = 0, time_ = 0;
  Index outside_ = 0, bytes_ = 0, workspace_ = 0;
};

}  // namespace attnunet
