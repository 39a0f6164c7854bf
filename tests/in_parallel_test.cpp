#include "common/core/in_parallel.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

namespace attnunet {
namespace TEST_FILE {

/// Room for a few more threads, whose stacks are 8 MiB.
void leave_little_room() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t bytes = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + (rlim_t{64} << 20);
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_AS, &limit);
}

TEST(InParallel, GoesOnWithTheThreadsThatThereAre) {
  const auto work_with_little_room = [] {
    leave_little_room();
    std::atomic<int> done{0};
    in_parallel(200, 200, [&](std::size_t) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ++done;
    });
    std::_Exit(done == 200 ? 0 : 1);
  };
  EXPECT_EXIT(work_with_little_room(), testing::ExitedWithCode(0), "");
}

}  // namespace TEST_FILE
}  // namespace attnunet
