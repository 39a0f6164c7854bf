#include "common/app/info.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>

#include "common/app/options.h"
#include "common/core/build.h"
#include "common/io/table.h"
#include "common/report/layer_rows.h"
#include "common/train/checkpoint.h"
#include "cpu/device.h"

namespace attnunet::app {
namespace {

struct InfoOptions {
  NetworkConfig network;
  ImageSize size = 256;
  Index batch = 1;
  std::string checkpoint;
};

void print_network(const NetworkConfig& network, Index batch, const ImageSize& size) {
  const Architecture architecture = make_architecture(network);
  std::printf("%s, base %d, batch %lld, %s: shapes are images x height x width x channels\n\n",
              name_of(network.variant), network.base, static_cast<long long>(batch), described(size).c_str());
  Table table(report::layer_headings(), 2);
  double flops = 0;
  Index bytes = 0, made_again = 0;  // the latter where B::recomputes
  for (const LayerInfo& layer : list_layers(network, batch, size.height, size.width)) {
    table.add(report::layer_row(layer));
    flops += layer.forward_flops;
    bytes += layer.activation_bytes;
    const std::string suffix = ".bn1";
    const bool hidden = layer.name.size() > suffix.size() &&
                        layer.name.compare(layer.name.size() - suffix.size(), suffix.size(), suffix) == 0;
    if (hidden) made_again += layer.activation_bytes;
  }
  table.print();
  std::printf("\nparameters            %s\n", grouped(architecture.parameter_count()).c_str());
  std::printf("forward               %.2f GFLOP (convolutions), a training step about three times that\n", flops / 1e9);
  std::printf("activations           %.1f MB that a training step keeps; on cpu %.1f MB: bn1's are made again\n",
              static_cast<double>(bytes) / 1e6, static_cast<double>(bytes - made_again) / 1e6);
  const cpu::InstructionSet set = cpu::instruction_set();
  std::printf("instruction set       %s (%s); this build has %s\n", set.name, set.vectors, built_instruction_sets);
}

void add_tensors(Table& table, const std::vector<TensorSpec>& specs, const std::vector<float>& values) {
  for (const TensorSpec& spec : specs) {
    std::string shape;
    for (Index extent : spec.shape) shape += (shape.empty() ? "" : " x ") + std::to_string(extent);
    double squares = 0;
    const float* begin = values.data() + spec.offset;
    for (Index i = 0; i < spec.size; ++i) squares += static_cast<double>(begin[i]) * static_cast<double>(begin[i]);
    table.add({spec.name, shape, fixed(static_cast<double>(*std::min_element(begin, begin + spec.size)), 4),
               fixed(static_cast<double>(*std::max_element(begin, begin + spec.size)), 4),
               fixed(std::sqrt(squares / static_cast<double>(spec.size)), 4)});
  }
}

std::string cases_text(const std::optional<CaseList>& list) {
  if (!list) return "not recorded";
  const auto count = [](const std::vector<RecordedCase>& cases) { return std::to_string(cases.size()); };
  return count(list->train) + " training, " + count(list->val) + " validation, " + count(list->test) +
         " test; before that trained on " + count(list->pretrained_on) + " others" +
         (list->complete ? "" : " and some that are not known");
}

void print_checkpoint(const std::string& path, std::optional<Variant> variant, std::optional<int> base) {
  const Checkpoint checkpoint = load_checkpoint(path, variant, base);
  const TrainConfig& config = checkpoint.config;
  std::printf("%s\n\n", path.c_str());
  std::printf("network        %s, base %d\n", name_of(config.network.variant), config.network.base);
  const std::string marking = marking_text(checkpoint);
  if (checkpoint.has_metadata) {
    std::printf("image size     %s\n", images_text(config).c_str());
    std::printf("trained        %d of %d epochs, %lld batches of the next, %lld steps in all\n", checkpoint.epoch,
                config.epochs, static_cast<long long>(checkpoint.batch), static_cast<long long>(checkpoint.step));
    if (checkpoint.epoch > 0) std::printf("best so far    validation IoU %.4f\n", checkpoint.best_val_iou);
    std::printf("cases          %s\n", cases_text(checkpoint.case_list).c_str());
    std::printf("for predict    %s\n", marking.empty() ? "threshold 0.5" : marking.c_str());
    std::printf("configuration  %s\n\n", deciding_json(config).c_str());
  } else {
    std::printf("trained        unknown; %s\n", assumptions(checkpoint, config.size).c_str());
    std::printf("for predict    %s\n\n", marking.empty() ? "threshold 0.5" : marking.c_str());
  }
  const Architecture architecture = make_architecture(config.network);
  Table table({"tensor", "shape", "min", "max", "rms"}, 2);
  add_tensors(table, architecture.parameters, checkpoint.parameters);
  add_tensors(table, architecture.statistics, checkpoint.statistics);
  table.print();
  const std::string lacks = lacking(checkpoint);
  if (checkpoint.adam_m.empty())
    std::printf("\n%s parameters, without Adam's moments\n", grouped(architecture.parameter_count()).c_str());
  else
    std::printf("\nand Adam's two moments of each of the %s parameters\n",
                grouped(architecture.parameter_count()).c_str());
  if (!checkpoint.ema_parameters.empty())
    std::printf("and the averages (ema.*) of all of them, which evaluate, predict and export use\n");
  if (!lacks.empty()) std::printf("cannot be resumed: it lacks %s\n", lacks.c_str());
}

}  // namespace

void add_info_command(Command& app) {
  const auto options = std::make_shared<InfoOptions>();
  Command* command = app.add_subcommand("info", "A network layer by layer: shapes, parameters, FLOPs, memory");
  add_network_options(*command, options->network);
  add_size_option(*command, options->size);
  command->add_option("--batch", options->batch, "images")->check(whole_number(1, largest_batch));
  Option* checkpoint = command->add_option("--checkpoint", options->checkpoint, "what this checkpoint holds");
  for (const char* name : {"--size", "--batch"}) checkpoint->excludes(command->get_option(name));
  command->callback([options, command] {
    const auto asked = [&](const char* name, auto value) {
      return command->count(name) > 0 ? std::optional(value) : std::nullopt;
    };
    if (!options->checkpoint.empty())
      return print_checkpoint(options->checkpoint, asked("--variant", options->network.variant),
                              asked("--base", options->network.base));
    require_size(options->network, options->size);
    print_network(options->network, options->batch, options->size);
  });
}

}  // namespace attnunet::app
