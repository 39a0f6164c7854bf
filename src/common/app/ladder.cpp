#include "common/app/ladder.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/app/layer_timing.h"
#include "common/app/measure.h"
#include "common/app/options.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/io/atomic_file.h"
#include "common/io/table.h"
#include "cpu/conv2d.h"
#include "cpu/machine_peaks.h"

namespace attnunet::app {
namespace {

using Tensor = cpu::Buffer<float>;

struct Rung {
  ConvMethod method;
  const char* change;
};
constexpr Rung rungs[] = {
    {ConvMethod::reference, "plain loops: one multiply-add after another, in double, on one thread"},
    {ConvMethod::gemm, "matrix products on tiles: each number loaded is used many times; vectors, all threads"},
    {ConvMethod::direct, "the sums of a few pixels stay in registers until they are complete"},
    {ConvMethod::winograd, "36 multiplications for 16 outputs, where the sum has 144"},
};

/// One of the three functions of a convolution.
struct Direction {
  const char* name;
  Index size;  ///< elements of the result
  std::function<void(cpu::Device& device, float* result, float* workspace)> run;
};

struct Result {
  std::string direction, method;
  Times ms;
  double gigaflops;
  double speed_up;    ///< against the rung above; 0 for the first
  double difference;  ///< the largest from the reference's result, as a share of its largest value
};

std::optional<Conv2dGeometry> parse_shape(const std::string& text) {
  std::array<Index, 5> extents{};
  const char *at = text.data(), *end = at + text.size();
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (i > 0 && (at == end || *at++ != 'x')) return std::nullopt;
    const std::from_chars_result parsed = std::from_chars(at, end, extents[i]);
    if (parsed.ec != std::errc() || extents[i] < 1 || extents[i] > 4096) return std::nullopt;
    at = parsed.ptr;
  }
  if (at != end) return std::nullopt;
  return Conv2dGeometry{extents[0], extents[1], extents[2], extents[3], extents[4], 3};
}

/// NaN if anything differs by NaN.
double largest_difference(const Tensor& actual, const Tensor& expected) {
  double difference = 0, largest = 0;
  for (Index i = 0; i < expected.size(); ++i) {
    const double value = expected.data()[i], error = std::abs(actual.data()[i] - value);
    if (!(error <= difference)) difference = error;
    largest = std::max(largest, std::abs(value));
  }
  return difference / largest;
}

/// Every method in each direction, from the reference up. Throws std::bad_alloc.
std::vector<Result> climb(const LadderOptions& options, const Conv2dGeometry& g) {
  cpu::Device host(options.threads);
  const auto random = [&](Index count) { return layer_timing::random_tensor<Cpu<float>>(host, count); };
  const Tensor x = random(g.pixels() * g.C), w = random(g.weights()), dy = random(g.pixels() * g.K);
  const Index P = g.pixels();
  float* const no_bias = nullptr;
  const Direction directions[] = {
      {"forward", dy.size(),
       [&](cpu::Device& device, float* y, float* workspace) {
         conv2d_forward(device, values(y, P, g.K), values(x.data(), P, g.C), w.data(), {}, workspace, g);
       }},
      {"backward data", x.size(),
       [&](cpu::Device& device, float* dx, float* workspace) {
         conv2d_backward_data(device, gradients(dx, P, g.C), gradients(dy.data(), P, g.K), w.data(), workspace, g,
                              Write::set);
       }},
      {"backward weights", w.size(),
       [&](cpu::Device& device, float* dw, float* workspace) {
         conv2d_backward_weights(device, dw, no_bias, gradients(dy.data(), P, g.K), values(x.data(), P, g.C), workspace,
                                 g);
       }},
  };
  const double flops = 2 * static_cast<double>(g.pixels()) * static_cast<double>(g.weights());
  std::vector<Result> results;
  for (const Direction& direction : directions) {
    Tensor expected;
    double above = 0;
    for (const Rung& rung : rungs) {
      cpu::Device device(options.threads, rung.method);
      Tensor workspace(device, conv2d_workspace(device, g)), result(device, direction.size);
      std::fill_n(result.data(), result.size(), std::numeric_limits<float>::quiet_NaN());
      const bool plain = rung.method == ConvMethod::reference;  // seconds: once is enough
      const Times ms = measure(device, plain ? 0 : options.warmup, plain ? 1 : options.repeats,
                               [&] { direction.run(device, result.data(), workspace.data()); });
      if (plain) expected = std::move(result);
      results.push_back({direction.name, name_of(rung.method), ms, flops / ms.median / 1e6,
                         plain ? 0 : above / ms.median, plain ? 0 : largest_difference(result, expected)});
      above = ms.median;
    }
  }
  return results;
}

std::string in_digits(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1e", value);
  return text;
}

void print(const std::vector<Result>& results, const MachinePeaks& peaks) {
  Table table({"", "method", "ms", "GFLOP/s", "% of peak", "speed-up", "difference"}, 2);
  for (const Result& result : results) {
    const bool first = result.speed_up == 0;
    const int digits = result.gigaflops < 10 ? 2 : 1;
    table.add({first ? result.direction : "", result.method, fixed(result.ms.median, 2),
               fixed(result.gigaflops, digits), fixed(100 * result.gigaflops / peaks.gigaflops, digits),
               first ? "-" : fixed(result.speed_up, 1), first ? "-" : in_digits(result.difference)});
  }
  table.print();
  std::printf("\nWhat each method changed:\n");
  for (const Rung& rung : rungs) std::printf("  %-10s %s\n", name_of(rung.method), rung.change);
}

void write(AtomicFile& file, const std::string& device, const LadderOptions& options, const Conv2dGeometry& g,
           const std::vector<Result>& results, const MachinePeaks& peaks) {
  auto list = nlohmann::ordered_json::array();
  for (const Result& result : results)
    list.push_back({{"direction", result.direction},
                    {"method", result.method},
                    {"ms", {{"min", result.ms.min}, {"median", result.ms.median}, {"max", result.ms.max}}},
                    {"gflops", result.gigaflops},
                    {"speed_up", result.speed_up},
                    {"largest_difference", result.difference}});
  const nlohmann::ordered_json json{{"backend", "cpu"},
                                    {"device", device},
                                    {"instruction_set", cpu::instruction_set().name},
                                    {"threads", options.threads},
                                    {"shape", {{"N", g.N}, {"H", g.H}, {"W", g.W}, {"C", g.C}, {"K", g.K}}},
                                    {"peak_gflops", peaks.gigaflops},
                                    {"ladder", list}};
  const std::string text = json.dump(2) + "\n";
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace

Rule ladder_shape() {
  return {[](const std::string& text) {
            if (parse_shape(text)) return std::string();
            return quoted(text) +
                   " is not a shape: images, height, width, channels in and out as NxHxWxCxK, each 1 to 4096";
          },
          "NxHxWxCxK"};
}

void run_ladder(const LadderOptions& options) {
  const Conv2dGeometry g = parse_shape(options.shape).value();
  // Made first: a file that cannot be written shows before the work.
  std::optional<AtomicFile> file;
  if (!options.json.empty()) file.emplace(options.json);
  cpu::Device device(options.threads);
  const std::string name = device.name();
  std::printf("%s, %s, %d threads\n", name.c_str(), cpu::instruction_set().name, options.threads);
  std::printf("3x3 convolution of %lld images of %lld x %lld, %lld -> %lld channels, float32\n",
              static_cast<long long>(g.N), static_cast<long long>(g.H), static_cast<long long>(g.W),
              static_cast<long long>(g.C), static_cast<long long>(g.K));
  const MachinePeaks peaks = measure_machine_peaks(device);
  std::printf("Peak measured here: %.1f GFLOP/s (float32 multiply-add).\n", peaks.gigaflops);
  std::printf("GFLOP/s: operations of the plain sum per second. Speed-up: against the method above.\n");
  std::printf("Difference: the largest from the reference's result, relative to its largest value.\n");
  std::printf("The reference runs once, the others %d times (median).\n\n", options.repeats);
  try {
    const std::vector<Result> results = climb(options, g);
    print(results, peaks);
    if (file) write(*file, name, options, g, results, peaks);
  } catch (const std::bad_alloc&) {
    throw Error("not enough memory for --shape " + options.shape);
  }
}

}  // namespace attnunet::app
