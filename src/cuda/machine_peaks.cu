#include <algorithm>
#include <chrono>
#include <type_traits>

#include "cuda/kernel.h"
#include "cuda/machine_peaks.h"

namespace attnunet::cuda {
namespace {

constexpr bool simulated = std::is_same<ThisMachine, Simulator>::value;
// Several times as many threads as any GPU holds at a time; in the simulator enough for every core.
constexpr Index blocks = simulated ? 16 : 8192;
// Enough independent chains to hide the latency of a multiply-add together with the other warps, and long enough for
// milliseconds: starting and waiting take a hundredth of one.
constexpr int chains = 8, rounds = simulated ? 256 : 8192;
constexpr int repeats = 7;
constexpr Index copied_bytes = Index{simulated ? 8 : 1024} << 20;

__global__ void multiply_add_kernel(float* results, float factor, float summand) {
  float sums[chains];
  ATTNUNET_UNROLL
  for (int c = 0; c < chains; ++c) sums[c] = summand * static_cast<float>(c);
  for (int i = 0; i < rounds; ++i) {
    ATTNUNET_UNROLL
    for (int c = 0; c < chains; ++c) sums[c] = fma(sums[c], factor, summand);
  }
  float total = 0;
  ATTNUNET_UNROLL
  for (int c = 0; c < chains; ++c) total += sums[c];
  results[thread_of_grid()] = total;
}

template <class Work>
double fastest_seconds(ThisDevice& device, Work work) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    device.synchronize();
    const auto begin = std::chrono::steady_clock::now();
    work();
    device.synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace

template <class M>
MachinePeaks measure_machine_peaks(Device<M>& device) {
  MachinePeaks peaks;
  {
    Buffer<M, float> results(device, blocks * block_threads);
    const double seconds = fastest_seconds(device, [&] {
      launch(device, {"multiply_add", static_cast<unsigned>(blocks), block_threads}, multiply_add_kernel,
             results.data(), 0.5f, 1.0f);
    });
    peaks.gigaflops = 2.0 * static_cast<double>(blocks * block_threads * chains * rounds) / seconds / 1e9;
  }
  Buffer<M, unsigned char> from(device, copied_bytes), to(device, copied_bytes);
  fill_zero(device, from.data(), copied_bytes);
  fill_zero(device, to.data(), copied_bytes);
  const double seconds = fastest_seconds(device, [&] { copy_on_device(device, to.data(), from.data(), copied_bytes); });
  peaks.gigabytes_second = 2.0 * static_cast<double>(copied_bytes) / seconds / 1e9;
  return peaks;
}

template MachinePeaks measure_machine_peaks(ThisDevice&);

}  // namespace attnunet::cuda
