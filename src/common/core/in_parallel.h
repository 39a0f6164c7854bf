// A loop whose passes are shared out to threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

namespace attnunet {

/// work(i) for i = 0 .. count - 1, on up to `threads` threads, fewer if the system makes no more. After all, rethrows
/// what the first i threw that did.
template <class Work>
void in_parallel(std::size_t count, int threads, const Work& work) {
  std::vector<std::exception_ptr> failures(count);
  std::atomic<std::size_t> next{0};
  const auto take = [&] {
    for (std::size_t i = next++; i < count; i = next++) try {
        work(i);
      } catch (...) {
        failures[i] = std::current_exception();
      }
  };
  std::vector<std::thread> others;
  try {
    for (std::size_t t = 1; t < std::min(count, static_cast<std::size_t>(threads)); ++t) others.emplace_back(take);
  } catch (const std::system_error&) {  // those that there are do the work
  }
  take();
  for (std::thread& thread : others) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace attnunet
