#include "common/app/bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/app/backend.h"
#include "common/app/ladder.h"
#include "common/app/measure.h"
#include "common/app/options.h"
#include "common/io/atomic_file.h"
#include "common/io/table.h"

namespace attnunet::app {
namespace {

struct BenchOptions {
  NetworkConfig network;
  Backend backend = Backend::cpu;
  Precision precision = Precision::float32;
  ConvMethod conv = ConvMethod::automatic;
  std::string json;
  ImageSize size = 256;
  int threads = 1, warmup = 1, repeats = 5;
  Index batch = 16;
  bool no_layers = false, ladder = false;
  std::string shape = LadderOptions().shape;
};

struct NetworkTimes {
  Times train_step, inference;
};

/// The device memory of what time_network allocates, most at one time.
template <class B>
Index planned_bytes(typename B::Device& device, const BenchOptions& options) {
  const Architecture architecture = make_architecture(options.network);
  const Index N = options.batch, P = options.size.pixels();
  const auto tape = [&](Purpose purpose) {
    return AttentionUNetTape<B>::planned_bytes(device, architecture, N, options.size.height, options.size.width,
                                               purpose);
  };
  const Index values = 2 * architecture.parameter_elements + N * P;
  const Index rest = values * static_cast<Index>(sizeof(float)) + N * static_cast<Index>(sizeof(double));
  return AttentionUNet<B>::bytes(architecture, true) +
         std::max(rest + tape(Purpose::training), tape(Purpose::inference));
}

/// Random images and masks that stay on the device: what is timed is the network, the loss and Adam.
template <class B>
NetworkTimes time_network(typename B::Device& device, const BenchOptions& options) {
  const Architecture architecture = make_architecture(options.network);
  const Index N = options.batch, P = options.size.pixels(), elements = architecture.parameter_elements;
  AttentionUNet<B> network(device, architecture, true);
  {
    std::vector<double> parameters, statistics;
    initial_values(architecture, 0, parameters, statistics);
    network.load(parameters, statistics);
  }
  std::vector<float> image(static_cast<std::size_t>(N * P)), mask(image.size());
  Random random(0);
  for (float& value : image) value = static_cast<float>(random.uniform());
  for (float& value : mask) value = random.uniform() < 0.1 ? 1.0f : 0.0f;

  NetworkTimes times{};
  {
    typename B::template Buffer<float> adam_m(device, elements), adam_v(device, elements), target(device, N * P);
    typename B::template Buffer<double> loss(device, N);
    fill_zero(device, adam_m.data(), elements);
    fill_zero(device, adam_v.data(), elements);
    copy_to_device(device, target.data(), mask.data(), N * P);
    AttentionUNetTape<B> tape(device, architecture, N, options.size.height, options.size.width, Purpose::training);
    copy_to_device(device, tape.input, image.data(), N * P);
    Pass pass;
    AdamOptions adam;
    times.train_step = measure(device, options.warmup, options.repeats, [&] {
      network.forward(tape, pass);
      bce_forward(device, loss.data(), tape.logit_values(), target.data(), N);
      bce_backward(device, tape.logit_gradients(), tape.logit_values(), target.data(), Write::set);
      network.backward(tape, pass);
      adam_step(device, network.mutable_parameters(), adam_m.data(), adam_v.data(), network.gradients(), elements,
                adam);
      ++pass.step;
      ++adam.step;
    });
  }
  AttentionUNetTape<B> tape(device, architecture, N, options.size.height, options.size.width, Purpose::inference);
  copy_to_device(device, tape.input, image.data(), N * P);
  Pass pass;
  pass.training = false;
  times.inference = measure(device, options.warmup, options.repeats, [&] { network.forward(tape, pass); });
  return times;
}

/// MiB, as PyTorch's side of the comparison counts.
double peak_resident_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

/// What the convolutions of inference and of a training step need when computed directly.
struct NetworkFlops {
  double inference = 0, train_step = 0;
};

NetworkFlops network_flops(const BenchOptions& options) {
  NetworkFlops flops;
  for (const LayerInfo& layer : list_layers(options.network, options.batch, options.size.height, options.size.width)) {
    flops.inference += layer.forward_flops;
    flops.train_step += layer.forward_flops + backward_flops(layer);
  }
  return flops;
}

void print_times(const char* what, const Times& times, Index batch, double flops) {
  std::printf("%-15s %9.1f ms  (min %.1f, max %.1f)  %8.2f images/s  %8.1f GFLOP/s\n", what, times.median, times.min,
              times.max, 1e3 * static_cast<double>(batch) / times.median, flops / times.median / 1e6);
}

/// ms, GFLOP/s, GB/s and percent of the nearer of the two peaks.
void add_cells(std::vector<std::string>& row, const Timing& timing, const MachinePeaks& peaks) {
  if (timing.seconds == 0) {
    row.insert(row.end(), {"-", "-", "-", "-"});
    return;
  }
  const double gigaflops = timing.flops / timing.seconds / 1e9, gigabytes = timing.bytes / timing.seconds / 1e9;
  const double share = std::max(gigaflops / peaks.gigaflops, gigabytes / peaks.gigabytes_second);
  row.insert(row.end(), {fixed(1e3 * timing.seconds, 2), timing.flops > 0 ? fixed(gigaflops, 1) : "-",
                         fixed(gigabytes, 1), fixed(100 * share, 0)});
}

template <class B>
void print_layers(typename B::Device& device, const BenchOptions& options) {
  const MachinePeaks peaks = measure_machine_peaks(device);
  std::printf("\nPeaks measured here: %.1f GFLOP/s (float32 multiply-add), %.1f GB/s (copy, read + write).\n",
              peaks.gigaflops, peaks.gigabytes_second);
  std::printf(
      "Each layer of a training step alone, forward and then backward; %% is of the nearer of these two peaks.\n");
  std::printf("ReLU and dropout of the double convolutions run with the batch norm before them: -.\n\n");
  Table table({"layer", "output", "ms", "GFLOP/s", "GB/s", "%", "ms", "GFLOP/s", "GB/s", "%"}, 2);
  double forward = 0, backward = 0;
  for (const LayerInfo& layer : list_layers(options.network, options.batch, options.size.height, options.size.width)) {
    const LayerTiming timing = time_layer<B>(device, layer, options.repeats);
    std::vector<std::string> row{layer.name, shape_text(layer.output)};
    add_cells(row, timing.forward, peaks);
    add_cells(row, timing.backward, peaks);
    table.add(row);
    forward += timing.forward.seconds;
    backward += timing.backward.seconds;
  }
  table.print();
  std::printf("\nall layers      forward %.1f ms, backward %.1f ms\n", 1e3 * forward, 1e3 * backward);
}

template <class B>
void run_on(typename B::Device& device, const BenchOptions& options, std::optional<AtomicFile>& file) {
  const std::string name = device.name();
  const char* instruction_set = cpu::instruction_set().name;
  std::printf("%s, %s, backend %s, %d threads; %s, base %d, batch %lld, %s, %s, conv %s\n", name.c_str(),
              instruction_set, name_of(B::backend), options.threads, name_of(options.network.variant),
              options.network.base, static_cast<long long>(options.batch), described(options.size).c_str(),
              name_of(options.precision), name_of(options.conv));
  const Index planned = planned_bytes<B>(device, options);
  require_memory("bench", planned, device.available_bytes(), memory_name<B>, "--batch, --size or --base");
  const NetworkTimes times = time_network<B>(device, options);
  // A device of its own memory holds what was planned; of the host the system knows.
  const double peak_mb = B::reads_wait ? static_cast<double>(planned) / (1 << 20) : peak_resident_mb();
  const NetworkFlops flops = network_flops(options);
  print_times("training step", times.train_step, options.batch, flops.train_step);
  print_times("inference", times.inference, options.batch, flops.inference);
  std::printf("peak memory     %9.1f MB\n", peak_mb);
  if (file) {
    const auto object = [](const Times& t) {
      return nlohmann::ordered_json{{"min", t.min}, {"median", t.median}, {"max", t.max}};
    };
    const nlohmann::ordered_json json{{"backend", name_of(B::backend)},
                                      {"device", name},
                                      {"instruction_set", instruction_set},
                                      {"variant", name_of(options.network.variant)},
                                      {"base", options.network.base},
                                      {"size", options.size},
                                      {"batch", options.batch},
                                      {"threads", options.threads},
                                      {"precision", name_of(options.precision)},
                                      {"conv", name_of(options.conv)},
                                      {"train_step_ms", object(times.train_step)},
                                      {"inference_ms", object(times.inference)},
                                      {"train_step_gflop", flops.train_step / 1e9},
                                      {"inference_gflop", flops.inference / 1e9},
                                      {"peak_memory_mb", peak_mb}};
    file->commit(json.dump(2) + "\n");
  }
  if (!options.no_layers) print_layers<B>(device, options);
}

void run(const BenchOptions& options) {
  require_backend(options.backend, options.precision, options.conv);
  require_size(options.network, options.size);
  // Made first: a file that cannot be written shows before the work.
  std::optional<AtomicFile> file;
  if (!options.json.empty()) file.emplace(options.json);
  with_backend<float>(options.backend, options.threads, options.precision, options.conv,
                      [&](auto& device, auto b) { run_on<decltype(b)>(device, options, file); });
}

/// The options of the ladder alone, and those that it shares with the network.
void require_options(const BenchOptions& options, const std::set<std::string>& given) {
  if (!options.ladder && given.count("shape") > 0) throw UsageError("--shape needs --ladder");
  if (!options.ladder) return;
  const std::set<std::string> shared{"ladder", "shape", "backend", "threads", "warmup", "repeats", "json"};
  for (const std::string& name : given)
    if (shared.count(name) == 0) throw UsageError("--" + name + " has no effect with --ladder: leave it out");
  if (options.backend != Backend::cpu) throw UsageError("--ladder needs --backend cpu: it compares the CPU's methods");
}

}  // namespace

void add_bench_command(Command& app) {
  const auto options = std::make_shared<BenchOptions>();
  Command* command = app.add_subcommand(
      "bench", "Time a training step, inference and every layer, or one convolution by every method");
  add_backend_option(*command, options->backend);
  add_precision_option(*command, options->precision);
  add_conv_option(*command, options->conv);
  add_network_options(*command, options->network);
  add_size_option(*command, options->size);
  command->add_option("--batch", options->batch, "images a step")->check(whole_number(1, largest_batch));
  add_threads_option(*command, options->threads);
  command->add_option("--warmup", options->warmup, "runs that are not counted")->check(whole_number(0, 1000));
  command->add_option("--repeats", options->repeats, "runs that are")->check(whole_number(1, 1000));
  command->add_option("--json", options->json, "file for the times of the whole network, or for the ladder");
  command->add_flag("--no-layers", options->no_layers, "leave out the table of layers");
  command->add_flag("--ladder", options->ladder,
                    "instead of the network, one 3x3 convolution by reference, gemm, direct and winograd");
  command->add_option("--shape", options->shape, "of that convolution: images, height, width, channels in and out")
      ->check(ladder_shape());
  command->callback([command, options] {
    require_options(*options, command->given());
    if (options->ladder)
      run_ladder({options->shape, options->threads, options->warmup, options->repeats, options->json});
    else
      run(*options);
  });
}

}  // namespace attnunet::app
