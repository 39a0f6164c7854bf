// How far a job on many things of one kind is.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "common/io/status_line.h"

namespace attnunet {

class CounterBar {
 public:
  /// `what`: of which there are `total`, as in "images".
  CounterBar(std::string what, std::size_t total);

  /// So many are done, of `total`.
  void update(std::size_t done);
  /// Removes the bar, for another line.
  void clear() { line_.clear(); }

 private:
  using Clock = std::chrono::steady_clock;

  std::string what_;
  std::size_t total_;
  Clock::time_point begin_ = Clock::now();
  StatusLine line_;
};

}  // namespace attnunet
