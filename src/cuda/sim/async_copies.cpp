// cp.async: asked for now, done when it is waited for. A plain copy would hide a wait that is missing.
#include <cstring>

#include "cuda/sim/engine.h"
#include "cuda/sim/sanitizers.h"

namespace attnunet::cuda::sim {

void copy_async(void* shared, const void* global, std::size_t bytes, std::size_t valid, SourceLine place) {
  const auto aligned = [bytes](const void* address) { return reinterpret_cast<std::uintptr_t>(address) % bytes == 0; };
  if ((bytes != 4 && bytes != 8 && bytes != 16) || valid > bytes) fail("cp.async of a size it does not have", place);
  if (!aligned(shared) || (valid > 0 && !aligned(global))) fail("cp.async of memory that is not aligned", place);
  // Read now and thrown away: a bad address is reported here, not where the copy is waited for.
  if (valid > 0) static_cast<void>(*static_cast<const volatile unsigned char*>(global));
  if (valid > 0) static_cast<void>(static_cast<const volatile unsigned char*>(global)[valid - 1]);
  const Unobserved unobserved;
  current_thread->copies.push_back({shared, global, bytes, valid});
}

void copy_commit() {
  const Unobserved unobserved;
  current_thread->copy_groups.push_back(std::move(current_thread->copies));
  current_thread->copies.clear();
}

void copy_wait(std::size_t pending) {
  std::vector<PendingCopy> due;
  {
    const Unobserved unobserved;
    std::vector<std::vector<PendingCopy>>& groups = current_thread->copy_groups;
    if (groups.size() <= pending) return;
    const auto end = groups.end() - static_cast<std::ptrdiff_t>(pending);
    for (auto group = groups.begin(); group != end; ++group) due.insert(due.end(), group->begin(), group->end());
    groups.erase(groups.begin(), end);
  }
  for (const PendingCopy& copy : due) {
    std::memcpy(copy.shared, copy.global, copy.valid);
    std::memset(static_cast<unsigned char*>(copy.shared) + copy.valid, 0, copy.bytes - copy.valid);
  }
}

}  // namespace attnunet::cuda::sim
