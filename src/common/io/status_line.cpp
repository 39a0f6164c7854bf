#include "common/io/status_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace attnunet {
namespace {

constexpr double seconds_between_updates = 0.1, seconds_between_lines = 30;

/// Of the terminal; asked each time, for it may be made narrower.
std::size_t columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// "[#####.....] " with `room` characters at most; nothing where that is too little to tell anything.
std::string bar(double share, std::size_t room) {
  constexpr std::size_t widest = 24, narrowest = 6, around = 3;
  if (room < narrowest + around) return "";
  const std::size_t width = std::min(widest, room - around);
  const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
}

}  // namespace

StatusLine::StatusLine() : terminal_(isatty(STDOUT_FILENO) == 1) {}

bool StatusLine::due() const {
  const double passed = std::chrono::duration<double>(Clock::now() - shown_).count();
  return passed >= (terminal_ ? seconds_between_updates : seconds_between_lines);
}

void StatusLine::show(const std::string& before, double share, const std::string& after) {
  restart();
  if (!terminal_) {
    std::printf("%s%s\n", before.c_str(), after.c_str());
    return;
  }
  // A line that is wrapped could not be written over; the last column stays free for the cursor.
  const std::size_t room = columns() - 1, taken = std::min(room, before.size() + after.size());
  std::printf("\r%s\033[K", (before + bar(share, room - taken) + after).substr(0, room).c_str());
  std::fflush(stdout);
  visible_ = true;
}

void StatusLine::clear() {
  if (visible_) std::printf("\r\033[K");
  visible_ = false;
}

std::string duration(double seconds) {
  const long whole = static_cast<long>(seconds + 0.5);
  char text[64];
  if (whole >= 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  return text;
}

}  // namespace attnunet
