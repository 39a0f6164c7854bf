#include "common/app/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

#include "common/app/table.h"

namespace attnunet::app {
namespace {

// A validation image costs a forward pass, a training image about three.
constexpr double validation_cost = 1.0 / 3.0;

constexpr double seconds_between_updates = 0.1, seconds_between_lines = 30;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
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

ProgressDisplay::ProgressDisplay(Index training_images, Index validation_images, bool quiet)
    : training_images_(training_images),
      validation_images_(validation_images),
      quiet_(quiet),
      terminal_(isatty(STDOUT_FILENO) == 1) {}

void ProgressDisplay::update(const TrainProgress& progress) {
  // Work is counted in training images.
  const double epoch_work =
      static_cast<double>(training_images_) + validation_cost * static_cast<double>(validation_images_);
  const double done = (progress.epoch - 1) * epoch_work +
                      (progress.validating ? static_cast<double>(training_images_) +
                                                 validation_cost * static_cast<double>(progress.images)
                                           : static_cast<double>(progress.images));
  if (first_work_ < 0) {  // what a resumed run had done before, and the first batch, which warms up
    first_work_ = done;
    begin_ = shown_ = Clock::now();
    return;
  }
  if (quiet_ || seconds_since(shown_) < (terminal_ ? seconds_between_updates : seconds_between_lines)) return;
  shown_ = Clock::now();
  const double rate = (done - first_work_) / seconds_since(begin_);
  const double left = (progress.epochs * epoch_work - done) / rate;

  const std::string epoch = "epoch " + std::to_string(progress.epoch) + "/" + std::to_string(progress.epochs) + " ";
  std::string text = (progress.validating ? "validating " : "") + std::to_string(progress.images) + "/" +
                     std::to_string(progress.of_images);
  if (progress.scored > 0) text += "  loss " + fixed(progress.loss, 4) + "  IoU " + fixed(progress.iou, 3);
  text += "  " + fixed(rate, 1) + " images/s  " + duration(left) + " left";
  if (terminal_) {
    // A line that is wrapped could not be written over; the last column stays free for the cursor.
    const std::size_t room = columns() - 1, taken = std::min(room, epoch.size() + text.size());
    const double share = static_cast<double>(progress.images) / static_cast<double>(progress.of_images);
    std::printf("\r%s\033[K", (epoch + bar(share, room - taken) + text).substr(0, room).c_str());
    std::fflush(stdout);
    bar_shown_ = true;
  } else {
    std::printf("%s%s\n", epoch.c_str(), text.c_str());
  }
}

void ProgressDisplay::finish_epoch(const EpochRow& row, int epochs, bool best) {
  clear();
  if (quiet_) return;
  std::printf("epoch %*d/%d  loss %.4f  IoU %.3f  |  validation loss %.4f  IoU %.3f  Dice %.3f  |  %.1f s%s\n",
              static_cast<int>(std::to_string(epochs).size()), row.epoch, epochs, row.train.loss, row.train.iou,
              row.val.loss, row.val.iou, row.val.dice, row.seconds, best ? "  best" : "");
}

void ProgressDisplay::clear() {
  if (bar_shown_) std::printf("\r\033[K");
  bar_shown_ = false;
}

}  // namespace attnunet::app
