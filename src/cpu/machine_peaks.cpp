#include "cpu/machine_peaks.h"

#include <algorithm>
#include <chrono>

#include "cpu/vector.h"

namespace attnunet::cpu {
namespace {

// Enough independent chains to hide a latency of 5 cycles on two units, few enough for 16 registers.
constexpr int chains = 12;
constexpr Index rounds = 4'000'000;
constexpr int repeats = 7;

template <class Work>
double fastest_seconds(Work work) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

/// `rounds` multiply-adds on each chain. The factor and summand come from memory, so that nothing is known beforehand.
float multiply_add(float factor, float summand) {
  Vector<float> sums[chains];
  Vector<float> a = Vector<float>{} + factor, b = Vector<float>{} + summand;
  for (int c = 0; c < chains; ++c) sums[c] = b * static_cast<float>(c);
  for (Index i = 0; i < rounds; ++i)
    for (int c = 0; c < chains; ++c) sums[c] = sums[c] * a + b;
  Vector<float> total{};
  for (int c = 0; c < chains; ++c) total += sums[c];
  float result = 0;
  for (int l = 0; l < lanes<float>; ++l) result += total[l];
  return result;
}

}  // namespace

MachinePeaks measure_machine_peaks(Device& device) {
  MachinePeaks peaks;
  const Index threads = device.threads();
  Buffer<float> results(device, 16 * threads);
  volatile float factor = 0.5f, summand = 1.0f;
  const double multiply_seconds = fastest_seconds([&] {
#pragma omp parallel for schedule(static) num_threads(device.threads())
    for (Index t = 0; t < threads; ++t) results.data()[16 * t] = multiply_add(factor, summand);
  });
  peaks.gigaflops = 2.0 * static_cast<double>(threads * rounds * chains * lanes<float>) / multiply_seconds / 1e9;

  constexpr Index bytes = Index{128} << 20, piece = Index{1} << 20;
  Buffer<unsigned char> from(device, bytes), to(device, bytes);
  fill_zero(device, from.data(), bytes);  // a page that nobody wrote to may be the one page of zeros
  fill_zero(device, to.data(), bytes);
  const double copy_seconds = fastest_seconds([&] {
#pragma omp parallel for schedule(static) num_threads(device.threads())
    for (Index at = 0; at < bytes / piece; ++at)
      copy_on_device(device, to.data() + at * piece, from.data() + at * piece, piece);
  });
  peaks.gigabytes_second = 2.0 * static_cast<double>(bytes) / copy_seconds / 1e9;
  return peaks;
}

}  // namespace attnunet::cpu
