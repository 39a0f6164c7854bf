// The simulator itself: it does what a GPU does, and it catches what a GPU would not tell. Every fault is planted in a
// kernel of its own here and must be reported, or must show in the result.
#define ATTNUNET_SIMULATOR
#include "support/simulator.h"

#include "cuda/kernel.h"
#include "cuda/reduce.h"

namespace attnunet {
namespace TEST_FILE {

using namespace cuda;

using SimDevice = Device<Simulator>;
template <class U>
using SimBuffer = Buffer<Simulator, U>;

// ---- what must work

__global__ void indices_kernel(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = static_cast<int>(1000 * block + thread);
}

TEST(Simulator, RunsEveryThreadOfEveryBlock) {
  for (const char* order : {"ascending", "descending", "random", "random:7"}) {
    const SimulatorOrder set(order);
    SimDevice device;
    SimBuffer<int> out(device, 2 * 3 * 4 * 2 * 5 * 3);
    launch(device, {"indices", dim3(2, 3, 4), dim3(2, 5, 3)}, indices_kernel, out.data());
    for (Index i = 0; i < out.size(); ++i) ASSERT_EQ(out.data()[i], 1000 * (i / 30) + i % 30) << order;
  }
}

__global__ void sum_kernel(double* out, const double* in) {
  const double sum = block_sum(in[thread_of_grid()]);
  out[thread_of_grid()] = sum;
}

TEST(Simulator, BlockSumIsTheSameInAllThreadsAndOrders) {
  SimDevice device;
  constexpr Index n = 3 * 96;
  SimBuffer<double> in(device, n), out(device, n);
  for (Index i = 0; i < n; ++i) in.data()[i] = 1.0 / static_cast<double>(i + 1);
  std::vector<double> first;
  for (const char* order : {"ascending", "descending", "random:3"}) {
    const SimulatorOrder set(order);
    launch(device, {"sum", 3, 96}, sum_kernel, out.data(), in.data());
    for (Index i = 0; i < n; ++i) ASSERT_EQ(out.data()[i], out.data()[i / 96 * 96]);
    std::vector<double> now(out.data(), out.data() + n);
    if (first.empty()) first = now;
    EXPECT_TRUE(first == now) << order;
  }
  double sum = 0;
  for (Index i = 0; i < 96; ++i) sum += in.data()[i];
  EXPECT_NEAR(first[0], sum, 1e-13);
}

__global__ void warp_kernel(unsigned* down, unsigned* crossed, std::uint32_t* ballots) {
  const unsigned lane = threadIdx.x % 32;
  down[threadIdx.x] = warp_shuffle_down(threadIdx.x, 3u);
  crossed[threadIdx.x] = warp_shuffle_xor(threadIdx.x, 5u);
  ballots[threadIdx.x] = warp_ballot(lane % 3 == 0);
}

TEST(Simulator, WarpOperations) {
  SimDevice device;
  SimBuffer<unsigned> down(device, 64), crossed(device, 64);
  SimBuffer<std::uint32_t> ballots(device, 64);
  launch(device, {"warp", 1, 64}, warp_kernel, down.data(), crossed.data(), ballots.data());
  for (unsigned i = 0; i < 64; ++i) {
    EXPECT_EQ(down.data()[i], i % 32 + 3 < 32 ? i + 3 : i);
    EXPECT_EQ(crossed.data()[i], i ^ 5u);
    EXPECT_EQ(ballots.data()[i], 0x49249249u);
  }
}

__global__ void count_kernel(int* counter) {
  atomicAdd(counter, 1);
}

TEST(Simulator, AtomicsCountEveryThread) {
  SimDevice device;
  SimBuffer<int> counter(device, 1);
  fill_zero(device, counter.data(), 1);
  launch(device, {"count", 50, 128}, count_kernel, counter.data());
  EXPECT_EQ(counter.data()[0], 50 * 128);
}

__global__ void dynamic_kernel(float* out) {
  ATTNUNET_DYNAMIC_SHARED(float, all);
  all[threadIdx.x] = static_cast<float>(threadIdx.x);
  ATTNUNET_SYNCTHREADS();
  out[threadIdx.x] = all[blockDim.x - 1 - threadIdx.x];
}

TEST(Simulator, DynamicSharedMemory) {
  SimDevice device;
  SimBuffer<float> out(device, 64);
  launch(device, {"dynamic", 1, 64, 64 * sizeof(float)}, dynamic_kernel, out.data());
  for (Index i = 0; i < 64; ++i) EXPECT_EQ(out.data()[i], static_cast<float>(63 - i));
  EXPECT_THROW(launch(device, {"dynamic", 1, 64}, dynamic_kernel, out.data()), Error);
}

// ---- planted faults that are reported

void expect_report(void (*kernel)(float*), const std::vector<std::string>& parts, unsigned threads = 64) {
  SimDevice device;
  SimBuffer<float> out(device, 1024);
  for (const char* order : {"ascending", "descending", "random:1"}) {
    const SimulatorOrder set(order);
    try {
      launch(device, {"planted", 1, threads}, kernel, out.data());
      ADD_FAILURE() << "not reported in order " << order;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("kernel planted"), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find("simulator_test.cpp:"), std::string::npos) << error.what();
      bool one = false;
      for (const std::string& part : parts) one = one || std::string(error.what()).find(part) != std::string::npos;
      EXPECT_TRUE(one) << error.what();
    }
  }
  // The simulator is whole afterwards.
  SimBuffer<unsigned> down(device, 64), crossed(device, 64);
  SimBuffer<std::uint32_t> ballots(device, 64);
  launch(device, {"warp", 1, 64}, warp_kernel, down.data(), crossed.data(), ballots.data());
  EXPECT_EQ(down.data()[0], 3u);
}

__global__ void early_exit_kernel(float* out) {
  if (threadIdx.x == 5) return;
  ATTNUNET_SYNCTHREADS();
  out[threadIdx.x] = 1;
}

TEST(SimulatorFault, EarlyExitBeforeABarrier) {
  expect_report(early_exit_kernel, {"returned before the barrier", "they have returned"});
}

__global__ void diverging_kernel(float* out) {
  if (threadIdx.x < 32)
    ATTNUNET_SYNCTHREADS();
  else
    ATTNUNET_SYNCTHREADS();
  out[threadIdx.x] = 1;
}

TEST(SimulatorFault, DivergingBarriers) {
  expect_report(diverging_kernel, {"different barriers"});
}

__global__ void missing_lane_kernel(float* out) {
  float value = static_cast<float>(threadIdx.x);
  if (threadIdx.x != 7) value = warp_shuffle_xor(value, 1u);
  out[threadIdx.x] = value;
}

TEST(SimulatorFault, MissingLane) {
  expect_report(missing_lane_kernel, {"never come there"});
}

__global__ void half_warp_kernel(float* out) {
  out[threadIdx.x] = warp_shuffle_xor(1.0f, 1u);
}

TEST(SimulatorFault, BlockThatEndsWithinAWarp) {
  expect_report(half_warp_kernel, {"never come there"}, 48);
}

__global__ void mixed_warp_operations_kernel(float* out) {
  if (threadIdx.x % 2 == 0)
    out[threadIdx.x] = warp_shuffle_xor(1.0f, 1u);
  else
    out[threadIdx.x] = static_cast<float>(warp_ballot(true));
}

TEST(SimulatorFault, DifferentWarpOperations) {
  expect_report(mixed_warp_operations_kernel, {"different warp operations"});
}

__global__ void too_much_shared_kernel(float* out) {
  ATTNUNET_SHARED(float, large, [13000]);
  large[threadIdx.x] = 1;
  ATTNUNET_SYNCTHREADS();
  out[threadIdx.x] = large[threadIdx.x];
}

TEST(SimulatorFault, TooMuchSharedMemory) {
  expect_report(too_much_shared_kernel, {"more shared memory"});
}

TEST(SimulatorFault, LaunchesThatNoGpuTakes) {
  SimDevice device;
  SimBuffer<int> out(device, 1);
  for (const LaunchShape& shape : {LaunchShape{"planted", 1, 1056}, LaunchShape{"planted", 1, dim3(1, 1, 65)},
                                   LaunchShape{"planted", 0, 32}, LaunchShape{"planted", dim3(1, 65536), 32},
                                   LaunchShape{"planted", 1, 0}, LaunchShape{"planted", 1, 32, 200000}})
    EXPECT_THROW(launch(device, shape, count_kernel, out.data()), Error);
}

TEST(SimulatorFault, UnknownOrder) {
  const SimulatorOrder set("sideways");
  SimDevice device;
  SimBuffer<int> out(device, 1);
  EXPECT_THROW(launch(device, {"count", 1, 32}, count_kernel, out.data()), Error);
}

// ---- planted faults that show in the result

__global__ void missing_barrier_kernel(float* out) {
  ATTNUNET_SHARED(float, tile, [64]);
  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
  out[threadIdx.x] = tile[63 - threadIdx.x];
}

// The second barrier is missing: a fast warp overwrites what a slow one still reads. No NaN shows it, the orders do.
__global__ void missing_second_barrier_kernel(float* out) {
  ATTNUNET_SHARED(float, tile, [64]);
  float sum = 0;
  for (int round = 0; round < 2; ++round) {
    tile[threadIdx.x] = static_cast<float>(round * 100 + static_cast<int>(threadIdx.x));
    ATTNUNET_SYNCTHREADS();
    sum += tile[(threadIdx.x + 1) % 64];
  }
  out[threadIdx.x] = sum;
}

__global__ void missing_syncwarp_kernel(float* out) {
  ATTNUNET_SHARED(float, tile, [32]);
  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
  out[threadIdx.x] = tile[threadIdx.x ^ 1u];
}
__global__ void syncwarp_kernel(float* out) {
  ATTNUNET_SHARED(float, tile, [32]);
  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
  ATTNUNET_SYNCWARP(full_warp);
  out[threadIdx.x] = tile[threadIdx.x ^ 1u];
}

#if !defined(__SANITIZE_THREAD__)  // which ends the process at the race itself

// What is read before it is written is NaN. Half of the threads come before their partner in every order.
TEST(SimulatorFault, MissingBarrierGivesNan) {
  for (const char* order : {"ascending", "descending", "random:2"}) {
    const SimulatorOrder set(order);
    SimDevice device;
    SimBuffer<float> out(device, 64);
    launch(device, {"planted", 1, 64}, missing_barrier_kernel, out.data());
    int wrong = 0;
    for (Index i = 0; i < 64; ++i) wrong += std::isnan(out.data()[i]) ? 1 : 0;
    EXPECT_EQ(wrong, 32) << order;
  }
}

TEST(SimulatorFault, MissingSecondBarrierDependsOnTheOrder) {
  std::vector<std::vector<float>> results;
  for (const char* order : {"ascending", "descending"}) {
    const SimulatorOrder set(order);
    SimDevice device;
    SimBuffer<float> out(device, 64);
    launch(device, {"planted", 1, 64}, missing_second_barrier_kernel, out.data());
    results.emplace_back(out.data(), out.data() + 64);
  }
  EXPECT_FALSE(results[0] == results[1]);
}

TEST(SimulatorFault, MissingSyncwarpGivesNan) {
  SimDevice device;
  SimBuffer<float> out(device, 32);
  launch(device, {"planted", 1, 32}, missing_syncwarp_kernel, out.data());
  EXPECT_TRUE(std::isnan(out.data()[0]));
  launch(device, {"whole", 1, 32}, syncwarp_kernel, out.data());
  for (Index i = 0; i < 32; ++i) EXPECT_EQ(out.data()[i], static_cast<float>(i ^ 1));
}

#endif

#if defined(__SANITIZE_ADDRESS__)

__global__ void out_of_shared_kernel(float* out) {
  ATTNUNET_SHARED(float, tile, [64]);
  float* first = tile;  // the array's type would tell UBSan already
  first[threadIdx.x + 1] = 1;
  ATTNUNET_SYNCTHREADS();
  out[threadIdx.x] = tile[threadIdx.x];
}
__global__ void out_of_dynamic_shared_kernel(float* out) {
  ATTNUNET_DYNAMIC_SHARED(float, all);
  all[threadIdx.x + 1] = 1;
  ATTNUNET_SYNCTHREADS();
  out[threadIdx.x] = all[threadIdx.x];
}
__global__ void out_of_global_kernel(float* out) {
  out[threadIdx.x + 1] = 1;
}

TEST(SimulatorFaultDeathTest, OutOfBounds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SimDevice device;
  SimBuffer<float> out(device, 64);
  EXPECT_DEATH(launch(device, {"planted", 1, 64}, out_of_shared_kernel, out.data()), "out_of_shared_kernel");
  EXPECT_DEATH(launch(device, {"planted", 1, 64, 64 * sizeof(float)}, out_of_dynamic_shared_kernel, out.data()),
               "out_of_dynamic_shared_kernel");
  EXPECT_DEATH(launch(device, {"planted", 1, 64}, out_of_global_kernel, out.data()), "out_of_global_kernel");
}

#endif

#if defined(__SANITIZE_THREAD__)

__global__ void global_race_kernel(float* out) {
  out[0] = static_cast<float>(blockIdx.x);
}

// Two accesses that nothing orders, within a block and between blocks, whatever the order they happen to run in. The
// sanitizer ends the process with a code of its own.
TEST(SimulatorFaultDeathTest, Races) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  SimDevice device;
  SimBuffer<float> out(device, 64);
  const auto in_a_process = [&](dim3 grid, void (*kernel)(float*)) {
    launch(device, {"planted", grid, 64}, kernel, out.data());
    std::exit(0);
  };
  EXPECT_EXIT(in_a_process(1, missing_barrier_kernel), ::testing::ExitedWithCode(66), "data race");
  EXPECT_EXIT(in_a_process(1, missing_second_barrier_kernel), ::testing::ExitedWithCode(66), "data race");
  EXPECT_EXIT(in_a_process(1, missing_syncwarp_kernel), ::testing::ExitedWithCode(66), "data race");
  EXPECT_EXIT(in_a_process(1, syncwarp_kernel), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(in_a_process(2, global_race_kernel), ::testing::ExitedWithCode(66), "data race");
}

#endif

}  // namespace TEST_FILE
}  // namespace attnunet
