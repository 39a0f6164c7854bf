// How OpenMP threads wait for each other at the end of a loop: they spin briefly, then sleep. libgomp, GCC's OpenMP
// runtime, spins for milliseconds by default. If the machine has other work to do, that occupies a core which the
// thread that is waited for could use, and a training step takes several times as long. Never spinning
// (OMP_WAIT_POLICY=passive) costs up to a third on a quiet machine, where most waits are shorter than waking a thread.
// tools/bench_busy.py measures both.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>

namespace {

using Microseconds = std::chrono::duration<double, std::micro>;

constexpr Microseconds spin_time{25};  // longer gains nothing on a quiet machine and costs more beside other processes

// libgomp counts turns of a loop that reads a variable and pauses. A pause takes 1 to 50 ns, depending on the
// processor.
Microseconds time_of_turn() {
  constexpr int blocks = 10, turns = 200;
  const std::atomic<int> awaited{0};
  Microseconds shortest = Microseconds::max();  // of the blocks: others may have been interrupted
  for (int block = 0; block < blocks; ++block) {
    const auto begin = std::chrono::steady_clock::now();
    for (int turn = 0; turn < turns && awaited.load(std::memory_order_relaxed) == 0; ++turn) {
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#else
      std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
    }
    shortest = std::min<Microseconds>(shortest, (std::chrono::steady_clock::now() - begin) / turns);
  }
  return shortest;
}

// libgomp reads its environment in a constructor without a priority. It is linked statically (CMakeLists.txt), so this
// constructor runs first; a shared library's would run before it. What the user has set is left alone.
[[gnu::constructor(101)]] void choose_wait_policy() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  const double turns = std::min(spin_time / time_of_turn(), 1e6);
  setenv("GOMP_SPINCOUNT", std::to_string(static_cast<long>(turns)).c_str(), 0);
}

}  // namespace
