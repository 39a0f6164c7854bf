#include "common/app/counter_bar.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

#include "common/app/table.h"

namespace attnunet::app {
namespace {

constexpr double seconds_between_updates = 0.1, seconds_between_lines = 30;

}  // namespace

CounterBar::CounterBar(std::string what, std::size_t total)
    : what_(std::move(what)), total_(total), terminal_(isatty(STDOUT_FILENO) == 1) {}

void CounterBar::update(std::size_t done) {
  const Clock::time_point now = Clock::now();
  const auto seconds_since = [&](Clock::time_point then) { return std::chrono::duration<double>(now - then).count(); };
  if (done == 0 || seconds_since(shown_) < (terminal_ ? seconds_between_updates : seconds_between_lines)) return;
  shown_ = now;
  const double rate = static_cast<double>(done) / seconds_since(begin_);
  const long left = static_cast<long>(static_cast<double>(total_ - done) / rate + 0.5);

  constexpr std::size_t width = 24;
  const std::size_t filled = done * width / total_;
  std::string text;
  if (terminal_) text += "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
  text += std::to_string(done) + "/" + std::to_string(total_) + " " + what_ + "  " + fixed(rate, 1) + " a second  ";
  const std::string seconds = std::to_string(left % 60);
  text += std::to_string(left / 60) + ":" + (seconds.size() < 2 ? "0" : "") + seconds + " left";
  if (terminal_) {
    std::printf("\r%s\033[K", text.c_str());
    std::fflush(stdout);
    bar_shown_ = true;
  } else {
    std::printf("%s\n", text.c_str());
  }
}

void CounterBar::clear() {
  if (bar_shown_) std::printf("\r\033[K");
  bar_shown_ = false;
}

}  // namespace attnunet::app
