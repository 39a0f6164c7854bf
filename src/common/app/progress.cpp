#include "common/app/progress.h"

#include <cstdio>
#include <string>

#include "common/io/table.h"

namespace attnunet::app {
namespace {

// A validation image costs a forward pass, a training image about three.
constexpr double validation_cost = 1.0 / 3.0;

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

ProgressDisplay::ProgressDisplay(Index training_images, Index validation_images, bool quiet)
    : training_images_(training_images), validation_images_(validation_images), quiet_(quiet) {}

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
    begin_ = Clock::now();
    line_.restart();
    return;
  }
  if (quiet_ || !line_.due()) return;
  const double rate = (done - first_work_) / seconds_since(begin_);
  const double left = (progress.epochs * epoch_work - done) / rate;

  const std::string epoch = "epoch " + std::to_string(progress.epoch) + "/" + std::to_string(progress.epochs) + " ";
  std::string text = (progress.validating ? "validating " : "") + std::to_string(progress.images) + "/" +
                     std::to_string(progress.of_images);
  if (progress.scored > 0) text += "  loss " + fixed(progress.loss, 4) + "  IoU " + fixed(progress.iou, 3);
  text += "  " + fixed(rate, 1) + " images/s  " + duration(left) + " left";
  line_.show(epoch, static_cast<double>(progress.images) / static_cast<double>(progress.of_images), text);
}

void ProgressDisplay::finish_epoch(const EpochRow& row, int epochs, bool best) {
  line_.clear();
  if (quiet_) return;
  std::printf("epoch %*d/%d  loss %.4f  IoU %.3f  |  validation loss %.4f  IoU %.3f  Dice %.3f  |  %.1f s%s\n",
              static_cast<int>(std::to_string(epochs).size()), row.epoch, epochs, row.train.loss, row.train.iou,
              row.val.loss, row.val.iou, row.val.dice, row.seconds, best ? "  best" : "");
}

}  // namespace attnunet::app
