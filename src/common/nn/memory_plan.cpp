#include "common/nn/memory_plan.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace attnunet {
namespace {

// Addresses given out while passes are recorded: no memory is there, and nobody looks.
constexpr Index outside_begin = Index{1} << 40, tensors_begin = Index{1} << 44;

void* pointer_to(Index address) {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
}

}  // namespace

void* MemoryPlan::add(std::string name, Index bytes, void* pointer, void (*set)(void*, void*)) {
  const Index address = tensors_.empty() ? tensors_begin : tensors_.back().address + round_up(tensors_.back().bytes);
  tensors_.push_back({std::move(name), address, bytes, pointer, set});
  return pointer_to(address);
}

void* MemoryPlan::outside(Index bytes) {
  const Index address = outside_begin + outside_;
  outside_ += round_up(bytes + 1);
  return pointer_to(address);
}

void MemoryPlan::begin(std::size_t number) {
  sequence_ = number;
  time_ = 0;
  ++recording_;
}

MemoryPlan::Tensor* MemoryPlan::find(const char* operation, const void* address) {
  const Index at = static_cast<Index>(reinterpret_cast<std::uintptr_t>(address));
  if (at >= outside_begin && at < outside_begin + outside_) return nullptr;
  const auto after = std::upper_bound(tensors_.begin(), tensors_.end(), at,
                                      [](Index left, const Tensor& tensor) { return left < tensor.address; });
  if (after == tensors_.begin() || at >= std::prev(after)->address + std::prev(after)->bytes)
    throw std::logic_error(std::string("memory plan: ") + operation + " accesses memory of no tensor that was added");
  return &*std::prev(after);
}

void MemoryPlan::operation(const char* name, const std::vector<Access>& accesses) {
  for (const Access& access : accesses) {
    Tensor* tensor = find(name, access.address);
    if (tensor == nullptr) continue;
    if (access.reads && tensor->written != recording_)
      throw std::logic_error(std::string("memory plan: ") + name + " reads " + tensor->name +
                             ", which nothing has written");
    if (tensor->lifetimes.size() <= sequence_) tensor->lifetimes.resize(sequence_ + 1);
    Lifetime& lifetime = tensor->lifetimes[sequence_];
    lifetime.first = lifetime.exists() ? std::min(lifetime.first, time_) : time_;
    lifetime.last = std::max(lifetime.last, time_);
  }
  for (const Access& access : accesses)
    if (Tensor* tensor = access.writes ? find(name, access.address) : nullptr) tensor->written = recording_;
  ++time_;
}

void MemoryPlan::need_workspace(Index bytes) {
  workspace_ = std::max(workspace_, bytes);
}

bool MemoryPlan::overlap(const Tensor& a, const Tensor& b) {
  for (std::size_t i = 0; i < std::min(a.lifetimes.size(), b.lifetimes.size()); ++i) {
    const Lifetime &x = a.lifetimes[i], &y = b.lifetimes[i];
    if (x.exists() && y.exists() && x.first <= y.last && y.first <= x.last) return true;
  }
  return false;
}

void MemoryPlan::place() {
  std::vector<Tensor*> waiting, placed;
  for (Tensor& tensor : tensors_)
    if (!tensor.lifetimes.empty()) waiting.push_back(&tensor);
  // The largest first, since small ones fit into gaps; among tensors of the same size those that live earlier first.
  const auto begin = [](const Tensor& tensor) {
    std::size_t i = 0;
    while (!tensor.lifetimes[i].exists()) ++i;
    return std::pair(i, tensor.lifetimes[i].first);
  };
  std::stable_sort(waiting.begin(), waiting.end(), [&](const Tensor* a, const Tensor* b) {
    return a->bytes != b->bytes ? a->bytes > b->bytes : begin(*a) < begin(*b);
  });
  for (Tensor* tensor : waiting) {
    tensor->offset = 0;
    for (const Tensor* other : placed) {  // by offset
      if (!overlap(*tensor, *other)) continue;
      if (other->offset - tensor->offset >= tensor->bytes) break;
      tensor->offset = std::max(tensor->offset, other->offset + round_up(other->bytes));
    }
    placed.insert(std::upper_bound(placed.begin(), placed.end(), tensor->offset,
                                   [](Index offset, const Tensor* other) { return offset < other->offset; }),
                  tensor);
    bytes_ = std::max(bytes_, tensor->offset + round_up(tensor->bytes));
  }
}

void MemoryPlan::bind(std::byte* base) const {
  for (const Tensor& tensor : tensors_) tensor.set(tensor.pointer, tensor.offset < 0 ? nullptr : base + tensor.offset);
}

}  // namespace attnunet
