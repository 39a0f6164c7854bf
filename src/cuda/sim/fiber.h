// A function with a stack of its own that can stop in the middle and be continued later: what a CUDA thread is in the
// simulator. Boost.Context switches stacks in nanoseconds; without it (ATTNUNET_UCONTEXT) the C library's ucontext
// does the same with a system call, some 15 times slower.
#pragma once

#include <functional>
#include <memory>

namespace attnunet::cuda::sim {

class Fiber {
 public:
  /// `entry` runs at the first resume. The fiber is over when it returns; until then it must not be destroyed.
  explicit Fiber(std::function<void()> entry);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Runs the fiber until it yields or ends. Called from outside any fiber, always on the same OS thread.
  void resume();
  /// Called within the fiber: back to where it was resumed.
  void yield();

 private:
  struct Stack;
  std::unique_ptr<Stack> stack_;
};

}  // namespace attnunet::cuda::sim
