// How long work takes: run a few times uncounted, then timed.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

namespace attnunet::app {

struct Times {
  double min, median, max;  ///< milliseconds
};

/// `repeats` timed runs (at least 1) after `warmup` others.
template <class Device>
Times measure(Device& device, int warmup, int repeats, const std::function<void()>& work) {
  for (int i = 0; i < warmup; ++i) work();
  device.synchronize();
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    device.synchronize();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  const std::size_t middle = times.size() / 2;
  const double median = times.size() % 2 == 1 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  return {times.front(), median, times.back()};
}

}  // namespace attnunet::app
