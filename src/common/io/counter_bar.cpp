#include "common/io/counter_bar.h"

#include <utility>

#include "common/io/table.h"

namespace attnunet {

CounterBar::CounterBar(std::string what, std::size_t total) : what_(std::move(what)), total_(total) {}

void CounterBar::update(std::size_t done) {
  if (done == 0 || !line_.due()) return;
  const double rate = static_cast<double>(done) / std::chrono::duration<double>(Clock::now() - begin_).count();
  const double share = static_cast<double>(done) / static_cast<double>(total_);
  line_.show("", share,
             std::to_string(done) + "/" + std::to_string(total_) + "  " + fixed(rate, 1) + " " + what_ + "/s  " +
                 duration(static_cast<double>(total_ - done) / rate) + " left");
}

}  // namespace attnunet
