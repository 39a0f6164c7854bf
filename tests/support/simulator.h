#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace attnunet {

/// While it lives, the simulator runs blocks and threads in this order (ATTNUNET_SIM_ORDER).
class SimulatorOrder {
 public:
  explicit SimulatorOrder(const char* order) {
    const char* now = std::getenv("ATTNUNET_SIM_ORDER");
    was_set_ = now != nullptr;
    if (was_set_) before_ = now;
    setenv("ATTNUNET_SIM_ORDER", order, 1);
  }
  ~SimulatorOrder() {
    if (was_set_)
      setenv("ATTNUNET_SIM_ORDER", before_.c_str(), 1);
    else
      unsetenv("ATTNUNET_SIM_ORDER");
  }
  SimulatorOrder(const SimulatorOrder&) = delete;
  SimulatorOrder& operator=(const SimulatorOrder&) = delete;

 private:
  bool was_set_ = false;
  std::string before_;
};

}  // namespace attnunet
