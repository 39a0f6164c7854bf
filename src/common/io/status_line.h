// One line that says how far work is: rewritten, with a bar, on a terminal; elsewhere printed anew now and then.
#pragma once

#include <chrono>
#include <string>

namespace attnunet {

class StatusLine {
 public:
  StatusLine();
  ~StatusLine() { clear(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  /// Whether enough time has passed since the last show, or restart.
  bool due() const;
  void restart() { shown_ = Clock::now(); }
  /// `before`, on a terminal a bar of which `share` (0 to 1) is filled, `after`. Cut to the terminal's width.
  void show(const std::string& before, double share, const std::string& after);
  /// Removes it, where it would be written over.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool terminal_, visible_ = false;
  Clock::time_point shown_ = Clock::now();
};

/// "0:07", "12:00", "1:00:00"
std::string duration(double seconds);

}  // namespace attnunet
