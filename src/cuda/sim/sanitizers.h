// What the sanitizers must be told about fibers and about the arena of shared memory. Empty where none is compiled in.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace attnunet::cuda::sim {

#if defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
constexpr bool thread_sanitizer = true;
#else
constexpr bool thread_sanitizer = false;
#endif

inline void poison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(begin, bytes);
#endif
}
inline void unpoison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(begin, bytes);
#endif
}

/// What one side does before `released` happens before what another side does after `acquired` of the same address.
inline void released([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
  __tsan_release(address);
#endif
}
inline void acquired([[maybe_unused]] void* address) {
#if defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
  __tsan_acquire(address);
#endif
}

/// While one lives, the thread sanitizer overlooks what this fiber reads and writes: the simulator's own state, which
/// all fibers of a block share without being ordered.
class Unobserved {
 public:
  Unobserved() {
#if defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
  }
  ~Unobserved() {
#if defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
  }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;
};

}  // namespace attnunet::cuda::sim
