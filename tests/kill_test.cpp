// Trainings that are killed (SIGKILL) at random moments, most of which fall into writing a checkpoint: the last one
// always loads, and the resumed run ends with the bits of the undisturbed one.
// ATTNUNET_KILLS=200 asks for more than the ten of `make test`; tools/soak.sh does.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>

#include "common/core/random.h"
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/training.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

int wanted_kills() {
  const char* given = std::getenv("ATTNUNET_KILLS");
  return given == nullptr ? 10 : std::atoi(given);
}

TEST(Kill, TheResumedRunHasTheBitsOfTheUndisturbedOne) {
  const PhantomFolder phantoms;
  // Kills fall from the start of a process to somewhat beyond the end of a whole run.
  const auto before = std::chrono::steady_clock::now();
  expect_success(attnunet_run(phantoms.train(phantoms / "undisturbed")));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();

  Random random(1);
  const int wanted = wanted_kills();
  ASSERT_GT(wanted, 0);
  int kills = 0, of_a_checkpoint = 0, rounds = 0;
  while (kills < wanted && !HasFailure()) {
    const fs::path run = phantoms / ("run" + std::to_string(++rounds)), last = run / "last.safetensors";
    SCOPED_TRACE(run.string());
    for (bool finished = false; !finished && !HasFailure();) {
      ProcessOptions options;
      if (kills < wanted)
        options.killed_after = std::chrono::microseconds(1 + random.below(std::uint32_t(8e5 * seconds)));
      const bool begun = fs::exists(last);
      const Finished ended =
          attnunet_run(begun ? std::vector<std::string>{"train", "--resume", last.string(), "--threads", "1"}
                             : phantoms.train(run.string()),
                       options);
      finished = ended.exit_code == 0;
      if (finished) continue;
      ASSERT_EQ(ended.exit_code, 128 + SIGKILL) << ended.out << ended.err;
      ++kills;
      EXPECT_TRUE(fs::exists(last) || !begun);
      if (fs::exists(last)) {
        EXPECT_NO_THROW(load_checkpoint(last)) << "after kill " << kills;
      }
      if (fs::exists(run))
        for (const fs::directory_entry& entry : fs::directory_iterator(run))
          if (entry.path().extension() == ".tmp") {
            ++of_a_checkpoint;
            break;
          }
    }
    for (const char* name : {"last.safetensors", "best.safetensors"})
      EXPECT_TRUE(read_text(run / name) == read_text(fs::path(phantoms / "undisturbed") / name)) << name << " differs";
    EXPECT_EQ(rows_without_seconds(run / "metrics.csv"), rows_without_seconds(phantoms / "undisturbed/metrics.csv"));
    fs::remove_all(run);
  }
  std::printf("%d kills in %d runs; %d left a file unfinished\n", kills, rounds, of_a_checkpoint);
}

}  // namespace TEST_FILE
}  // namespace attnunet
