// Runs a kernel as a GPU would, one CUDA thread after the other: each thread is a fiber that stops where it has to wait
// for others. The fibers of a block share one OS thread; blocks go to a pool of them.
//
// What a GPU leaves open or does not notice shows here:
//   order       ATTNUNET_SIM_ORDER = ascending (default), descending, random or random:SEED: in which order blocks, and
//               threads between two barriers, run. A kernel with a missing barrier gives different results.
//   waiting     threads at different barriers, a thread that returned before a barrier the others wait at, lanes that
//               never come to a warp operation: an error that names kernel, file and line.
//   memory      shared memory starts as NaN (all bits set) and lies in an arena with poisoned gaps; with the address
//               sanitizer an access outside shared or global memory is reported where it happens. Copies by cp.async
//               happen when they are waited for and not before.
//   races       with the thread sanitizer, two accesses that no barrier orders.
//   limits      of threads, grid and shared memory, as on every GPU that is compiled for.
// It proves indexing and logic, not speed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace attnunet::cuda::sim {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

/// A line in the source of a kernel.
struct SourceLine {
  const char* file;
  int line;
};

/// Copies that cp.async has asked for.
struct PendingCopy {
  void* shared;
  const void* global;
  std::size_t bytes, valid;  ///< the rest of the bytes is set to zero
};

/// The CUDA thread that runs: what kernels see of it.
struct Thread {
  Dim3 thread_index, block_index, block_dim, grid_dim;
  unsigned linear_index = 0;  ///< in the block: x fastest
  std::vector<std::vector<PendingCopy>> copy_groups;
  std::vector<PendingCopy> copies;  ///< not committed yet
};

/// The running thread of this OS thread. Inline and constant-initialised: read without a call.
inline thread_local Thread* current_thread = nullptr;

/// Runs body once for every thread of the grid; returns when all are done. Throws attnunet::Error, with the kernel's
/// name, where the launch or the kernel breaks a rule.
void run(const char* kernel, Dim3 grid, Dim3 block, std::size_t dynamic_shared, const std::function<void()>& body);

/// __syncthreads
void block_barrier(SourceLine place);

/// The lanes of `mask` meet: `work` runs once, when the last has come, on what each lane brought (null for the lanes
/// outside the mask). All lanes must ask for the same work. It orders the lanes' memory accesses where `orders_memory`.
using WarpWork = void (*)(void* const (&lanes)[32]);
void warp_meeting(std::uint32_t mask, void* mine, WarpWork work, bool orders_memory, SourceLine place);

/// Shared memory of the running block, the same for all threads that ask with the same key; filled with ones (NaN).
/// A null key is the dynamic shared memory of the launch.
void* shared_memory(const void* key, std::size_t bytes, SourceLine place);

/// cp.async: the copy happens in copy_wait. `valid` bytes come from global memory, the rest is zero.
void copy_async(void* shared, const void* global, std::size_t bytes, std::size_t valid, SourceLine place);
void copy_commit();
/// All but the latest `pending` groups are there afterwards, for this thread; other threads need a barrier.
void copy_wait(std::size_t pending);

/// Stops the simulation: a kernel's own check failed.
[[noreturn]] void fail(const char* what, SourceLine place);

}  // namespace attnunet::cuda::sim
