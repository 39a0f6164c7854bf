// How far a job on many things of one kind is: a bar that rewrites its line on a terminal; elsewhere a plain line now
// and then.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace attnunet::app {

class CounterBar {
 public:
  /// `what`: of which there are `total`, as in "images".
  CounterBar(std::string what, std::size_t total);
  ~CounterBar() { clear(); }
  CounterBar(const CounterBar&) = delete;
  CounterBar& operator=(const CounterBar&) = delete;

  /// So many are done, of `total`.
  void update(std::size_t done);
  /// Removes the bar, for another line or at the end.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  std::size_t total_;
  bool terminal_, bar_shown_ = false;
  Clock::time_point begin_ = Clock::now(), shown_ = begin_;
};

}  // namespace attnunet::app
