// Copies from global to shared memory that run while the thread goes on (cp.async, compute capability 8.0 and up).
//
// A thread asks for copies (copy_async_16, copy_async_4), closes a group of them (commit_copies), and later waits until
// all but its latest groups are there (wait_for_copies). Its own copies are visible to it then; those of the other
// threads of the block after a barrier behind the wait. Nobody may read the destination before, or write to it until
// the barrier behind the last read.
//
// The simulator copies when the wait asks for it, the latest moment there is: what reads too early finds NaN.
#pragma once

#include "cuda/kernel.h"

namespace attnunet::cuda {

#ifdef ATTNUNET_SIMULATOR

/// 16 bytes: the first valid_bytes of them from global memory, the rest zero. With 0 nothing is read, and the address
/// may be any. Both addresses are multiples of 16.
#define copy_async_16(shared, global, valid_bytes) \
  ::attnunet::cuda::sim::copy_async(shared, global, 16, valid_bytes, {__FILE__, __LINE__})
/// 4 bytes or, with valid_bytes 0, a zero. Both addresses are multiples of 4.
#define copy_async_4(shared, global, valid_bytes) \
  ::attnunet::cuda::sim::copy_async(shared, global, 4, valid_bytes, {__FILE__, __LINE__})

inline void commit_copies() {
  sim::copy_commit();
}
/// Waits for all groups but the latest `pending`.
template <int pending>
void wait_for_copies() {
  sim::copy_wait(pending);
}

#else

static __device__ __forceinline__ unsigned shared_address(const void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}
static __device__ __forceinline__ void copy_async_16(void* shared, const void* global, unsigned valid_bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid_bytes)
               : "memory");
}
static __device__ __forceinline__ void copy_async_4(void* shared, const void* global, unsigned valid_bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid_bytes)
               : "memory");
}
static __device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int pending>
static __device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

#endif

}  // namespace attnunet::cuda
