#include "cuda/sim/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/core/error.h"
#include "cuda/sim/fiber.h"
#include "cuda/sim/order.h"
#include "cuda/sim/sanitizers.h"

namespace attnunet::cuda::sim {
namespace {

// The least that any GPU compiled for (compute capability 8.0 to 12.0) allows a block.
constexpr unsigned most_threads = 1024, most_grid_x = 2147483647, most_grid_yz = 65535, most_block_z = 64;
constexpr std::size_t most_static_shared = 48 << 10, most_shared = 99 << 10;
constexpr std::size_t gap = 64;  // poisoned, between two arrays in shared memory
constexpr unsigned warp_size = 32;

std::string text(SourceLine place) {
  const char* slash = std::strrchr(place.file, '/');
  return std::string(slash == nullptr ? place.file : slash + 1) + ":" + std::to_string(place.line);
}
std::string text(Dim3 index) {
  return "(" + std::to_string(index.x) + "," + std::to_string(index.y) + "," + std::to_string(index.z) + ")";
}

// ---- one launch, one block, one thread

struct Launch {
  const char* kernel;
  Dim3 grid, block;
  std::size_t dynamic_shared;
  const std::function<void()>* body;
  Order order;
  std::uint64_t blocks;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::string error;  // the first, under the mutex

  void fail(const std::string& message) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (failed.exchange(true)) return;
    error = std::string("kernel ") + kernel + ": " + message;
  }
};

struct Abandon {};  // unwinds the fibers of a block that failed

struct Worker;

// A fiber of the pool and the CUDA thread that it runs at the moment.
struct Carrier {
  explicit Carrier(Worker& worker);
  Fiber fiber;
  bool over = false;
};

struct WarpMeeting {
  unsigned warp = 0;
  std::uint32_t mask = 0, arrived = 0;
  WarpWork work = nullptr;
  void* order = nullptr;  // the address at which the thread sanitizer learns that it orders the lanes
  void* lanes[warp_size] = {};
};

struct SimThread : Thread {
  enum State { unstarted, ready, waiting, finished } state = unstarted;
  Carrier* carrier = nullptr;
  SourceLine place{};  // where it waits
  const char* waits_for = "";
};

struct SharedArray {
  const void* key;
  void* begin;
  std::size_t bytes;
};

// One OS thread's block at work.
struct Worker {
  Launch* launch = nullptr;
  Dim3 block_index;
  std::vector<SimThread> threads;
  unsigned count = 0, done = 0, at_barrier = 0, cursor = 0;
  SourceLine barrier{};
  std::vector<WarpMeeting> meetings;  // under way, found by warp and mask
  void* barrier_order = nullptr;
  // A meeting's own address: with one for all, a thread would seem ordered behind those already on their way to the
  // next. Reused when the meetings of so long ago are over.
  unsigned char orders[8192] = {};
  std::size_t order_count = 0;
  void* next_order() { return &orders[order_count++ % sizeof orders]; }
  bool abandoning = false, stopping = false;
  std::uint64_t phase = 0;
  Permutation permutation{Order(), 0, 0};

  std::vector<std::unique_ptr<Carrier>> carriers;
  std::vector<Carrier*> idle;
  std::vector<unsigned char> arena;
  std::size_t arena_used = 0, static_shared = 0;
  std::vector<SharedArray> arrays;

  ~Worker() { drop_carriers(); }
  void run_block(Launch& of, std::uint64_t index);
  void run_threads();
  void carry(Carrier& carrier);
  void wait(const char* what, SourceLine place);
  SimThread& running() { return *static_cast<SimThread*>(current_thread); }
  void begin_phase();
  std::string stuck() const;
  void abandon();
  void drop_carriers();
  void meet(std::uint32_t mask, void* mine, WarpWork work, bool orders_memory, SourceLine place);
  void meet_at_barrier(SourceLine place);
  void* allocate_shared(const void* key, std::size_t bytes);
};

thread_local Worker* current_worker = nullptr;

Carrier::Carrier(Worker& worker)
    : fiber([&worker, this] {
        for (;;) {
          worker.carry(*this);
          if (thread_sanitizer) break;
          {
            const Unobserved unobserved;
            worker.idle.push_back(this);
          }
          fiber.yield();
          if (worker.stopping) break;
        }
        over = true;
      }) {}

void Worker::drop_carriers() {
  stopping = true;
  for (const auto& carrier : carriers)
    if (!carrier->over) carrier->fiber.resume();
  stopping = false;
  carriers.clear();
  idle.clear();
}

// Runs the thread at the cursor and, since most kernels never wait, the unstarted ones after it: one fiber, hence two
// switches, for a whole block. Under the thread sanitizer a fiber runs one thread, or they would seem ordered.
void Worker::carry(Carrier& carrier) {
  for (;;) {
    {
      const Unobserved unobserved;
      SimThread& thread = threads[permutation(cursor)];
      thread.state = SimThread::ready;
      thread.carrier = &carrier;
      current_thread = &thread;
    }
    acquired(this);
    bool returned = false;
    try {
      (*launch->body)();
      returned = true;
    } catch (const Abandon&) {
    } catch (const std::exception& error) {
      launch->fail(error.what());
    }
    released(launch);
    const Unobserved unobserved;
    SimThread& thread = running();
    if (returned && at_barrier > 0)
      launch->fail("thread " + text(thread.thread_index) + " of block " + text(block_index) +
                   " returned before the barrier at " + text(barrier) + " that others wait at");
    thread.state = SimThread::finished;
    thread.copies.clear();
    thread.copy_groups.clear();
    ++done;
    if (thread_sanitizer || launch->failed) return;
    if (cursor + 1 >= count || threads[permutation(cursor + 1)].state != SimThread::unstarted) return;
    ++cursor;
  }
}

void Worker::begin_phase() {
  permutation = Permutation(launch->order, count, (++phase << 20) + block_index.x + 31 * block_index.y);
}

void Worker::run_threads() {
  begin_phase();
  while (done < count) {
    bool progress = false;
    const std::uint64_t phase_now = phase;
    for (cursor = 0; cursor < count && !launch->failed; ++cursor) {
      SimThread& thread = threads[permutation(cursor)];
      if (thread.state == SimThread::unstarted) {
        if (idle.empty()) {
          carriers.push_back(std::make_unique<Carrier>(*this));
          idle.push_back(carriers.back().get());
        }
        Carrier* carrier = idle.back();
        idle.pop_back();
        carrier->fiber.resume();
        progress = true;
      } else if (thread.state == SimThread::ready) {
        current_thread = &thread;
        thread.carrier->fiber.resume();
        progress = true;
      }
      // A barrier was completed: the next round begins anew, in an order of its own.
      if (phase != phase_now) break;
    }
    if (launch->failed || progress) {
      if (launch->failed) return abandon();
      continue;
    }
    launch->fail(stuck());
    return abandon();
  }
}

std::string Worker::stuck() const {
  for (const SimThread& thread : threads)
    if (thread.state == SimThread::waiting)
      return "block " + text(block_index) + " is stuck: thread " + text(thread.thread_index) + " waits in " +
             thread.waits_for + " at " + text(thread.place) + " for threads that never come there";
  return "block " + text(block_index) + " is stuck";
}

// Unwinds every thread that is in the middle of its kernel.
void Worker::abandon() {
  abandoning = true;
  for (SimThread& thread : threads) {
    if (thread.state != SimThread::ready && thread.state != SimThread::waiting) continue;
    current_thread = &thread;
    thread.carrier->fiber.resume();
  }
  abandoning = false;
}

void Worker::wait(const char* what, SourceLine place) {
  SimThread& thread = running();
  thread.place = place;
  thread.waits_for = what;
  thread.state = SimThread::waiting;
  thread.carrier->fiber.yield();
  current_thread = &thread;
  if (abandoning) throw Abandon();
}

void Worker::run_block(Launch& of, std::uint64_t index) {
  const Unobserved unobserved;
  launch = &of;
  block_index = {static_cast<unsigned>(index % of.grid.x), static_cast<unsigned>(index / of.grid.x % of.grid.y),
                 static_cast<unsigned>(index / of.grid.x / of.grid.y)};
  count = of.block.x * of.block.y * of.block.z;
  if (threads.size() < count) threads.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    SimThread& thread = threads[i];
    thread.thread_index = {i % of.block.x, i / of.block.x % of.block.y, i / of.block.x / of.block.y};
    thread.block_index = block_index;
    thread.block_dim = of.block;
    thread.grid_dim = of.grid;
    thread.linear_index = i;
    thread.state = SimThread::unstarted;
  }
  done = at_barrier = 0;
  phase = 0;
  meetings.clear();
  arrays.clear();
  arena_used = static_shared = 0;
  // With the thread sanitizer every block gets an arena of its own, so that blocks do not seem to share it.
  if (thread_sanitizer) std::vector<unsigned char>().swap(arena);
  if (arena.empty()) arena.resize(most_shared + 64 * (gap + 16));
  poison(arena.data(), arena.size());
  if (of.dynamic_shared > 0) allocate_shared(nullptr, of.dynamic_shared);
  released(this);
  run_threads();
  unpoison(arena.data(), arena.size());
  if (thread_sanitizer) drop_carriers();
}

void* Worker::allocate_shared(const void* key, std::size_t bytes) {
  const auto base = reinterpret_cast<std::uintptr_t>(arena.data());
  const std::size_t begin = (base + arena_used + gap + 127) / 128 * 128 - base;  // as cp.async and vectors want it
  if (begin + bytes + gap > arena.size()) fail("too many arrays in shared memory", {__FILE__, __LINE__});
  unpoison(arena.data() + begin, bytes);
  std::memset(arena.data() + begin, 0xFF, bytes);
  arena_used = begin + bytes;
  arrays.push_back({key, arena.data() + begin, bytes});
  return arrays.back().begin;
}

// Lanes of one warp that have come to a warp operation, until all of its mask have.
void Worker::meet(std::uint32_t mask, void* mine, WarpWork work, bool orders_memory, SourceLine place) {
  SimThread& thread = running();
  const unsigned warp = thread.linear_index / warp_size, lane = thread.linear_index % warp_size;
  if ((mask >> lane & 1) == 0) fail("a lane takes part in a warp operation whose mask leaves it out", place);
  auto meeting = std::find_if(meetings.begin(), meetings.end(),
                              [&](const WarpMeeting& other) { return other.warp == warp && (other.mask & mask) != 0; });
  if (meeting == meetings.end()) {
    meetings.emplace_back();
    meeting = meetings.end() - 1;
    meeting->warp = warp;
    meeting->mask = mask;
    meeting->work = work;
    meeting->order = next_order();
  }
  if (meeting->mask != mask || meeting->work != work || (meeting->arrived >> lane & 1) != 0)
    fail("the lanes of a warp came to different warp operations, or with different masks", place);
  meeting->arrived |= 1u << lane;
  meeting->lanes[lane] = mine;
  void* const order = meeting->order;
  if (orders_memory) released(order);
  if (meeting->arrived != mask) {
    wait("a warp operation", place);
  } else {
    if (work != nullptr) work(meeting->lanes);
    meetings.erase(meeting);
    for (unsigned other = 0; other < warp_size; ++other)
      if (other != lane && (mask >> other & 1) != 0) threads[warp * warp_size + other].state = SimThread::ready;
  }
  if (orders_memory) acquired(order);
}

void Worker::meet_at_barrier(SourceLine place) {
  if (done > 0) fail("threads wait at a barrier that others never reach: they have returned", place);
  if (at_barrier == 0) barrier = place;
  if (barrier.line != place.line || (barrier.file != place.file && std::strcmp(barrier.file, place.file) != 0))
    fail(("threads of a block wait at different barriers: the other one is at " + text(barrier)).c_str(), place);
  if (++at_barrier == 1) barrier_order = next_order();
  void* const order = barrier_order;
  released(order);
  if (at_barrier == count) {
    at_barrier = 0;
    for (unsigned i = 0; i < count; ++i) threads[i].state = SimThread::ready;
    begin_phase();
    // This one waits for its turn too: the new phase has an order of its own.
    SimThread& thread = running();
    thread.carrier->fiber.yield();
    current_thread = &thread;
    if (abandoning) throw Abandon();
  } else {
    wait("the barrier", place);
  }
  acquired(order);
}

// ---- the pool

class Pool {
 public:
  Pool() {
    const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 1; i < cores; ++i) threads_.emplace_back([this] { serve(); });
  }
  ~Pool() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(Launch& launch) {
    // Waking the others costs more than a small grid.
    constexpr std::uint64_t small = 2048;
    const std::uint64_t threads = launch.blocks * launch.block.x * launch.block.y * launch.block.z;
    const bool shared = !threads_.empty() && launch.blocks > 1 && threads > small;
    if (shared) {
      const std::lock_guard<std::mutex> lock(mutex_);
      launch_ = &launch;
      ++generation_;
      busy_ = threads_.size();
    }
    if (shared) wake_.notify_all();
    work(launch);
    if (!shared) return;
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
    launch_ = nullptr;
  }

 private:
  static void work(Launch& launch) {
    static thread_local Worker worker;
    const Unobserved unobserved;
    current_worker = &worker;
    const Permutation permutation(launch.order, launch.blocks, 0);
    for (std::uint64_t i = launch.next++; i < launch.blocks && !launch.failed; i = launch.next++)
      worker.run_block(launch, permutation(i));
    current_worker = nullptr;
    current_thread = nullptr;
  }
  void serve() {
    std::uint64_t seen = 0;
    for (;;) {
      Launch* launch = nullptr;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
        if (stopping_) return;
        seen = generation_;
        launch = launch_;
      }
      work(*launch);
      const std::lock_guard<std::mutex> lock(mutex_);
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Launch* launch_ = nullptr;
  std::uint64_t generation_ = 0;
  std::size_t busy_ = 0;
  bool stopping_ = false;
};

}  // namespace

void run(const char* kernel, Dim3 grid, Dim3 block, std::size_t dynamic_shared, const std::function<void()>& body) {
  static std::mutex one_at_a_time;  // kernels of several host threads take turns
  static Pool pool;
  const std::string name = std::string("kernel ") + kernel + ": ";
  if (current_thread != nullptr) throw Error(name + "launched from within a kernel");
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > most_threads || block.z > most_block_z)
    throw Error(name + "a block of " + text(block) + " threads; from 1 to 1024 are possible");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > most_grid_x || grid.y > most_grid_yz ||
      grid.z > most_grid_yz)
    throw Error(name + "a grid of " + text(grid) +
                " blocks; at least 1, at most 2147483647 x 65535 x 65535 are possible");
  if (dynamic_shared > most_shared)
    throw Error(name + std::to_string(dynamic_shared) + " bytes of shared memory; " + std::to_string(most_shared) +
                " are possible");
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  Launch launch;
  launch.kernel = kernel;
  launch.grid = grid;
  launch.block = block;
  launch.dynamic_shared = dynamic_shared;
  launch.body = &body;
  launch.order = order_of_environment();
  launch.blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  released(&launch);
  pool.run(launch);
  acquired(&launch);
  if (launch.failed) throw Error(launch.error);
}

void fail(const char* what, SourceLine place) {
  Worker& worker = *current_worker;
  worker.launch->fail(std::string(what) + ", at " + text(place) + " (thread " + text(current_thread->thread_index) +
                      " of block " + text(worker.block_index) + ")");
  throw Abandon();
}

void block_barrier(SourceLine place) {
  const Unobserved unobserved;
  current_worker->meet_at_barrier(place);
}

void warp_meeting(std::uint32_t mask, void* mine, WarpWork work, bool orders_memory, SourceLine place) {
  const Unobserved unobserved;
  current_worker->meet(mask, mine, work, orders_memory, place);
}

void* shared_memory(const void* key, std::size_t bytes, SourceLine place) {
  const Unobserved unobserved;
  Worker& worker = *current_worker;
  for (const SharedArray& array : worker.arrays)
    if (array.key == key && (key == nullptr || array.bytes == bytes)) return array.begin;
  if (key == nullptr) fail("dynamic shared memory, but the launch asks for none", place);
  worker.static_shared += bytes;
  if (worker.static_shared > most_static_shared || worker.static_shared + worker.launch->dynamic_shared > most_shared)
    fail("more shared memory than a block can have", place);
  return worker.allocate_shared(key, bytes);
}

}  // namespace attnunet::cuda::sim
