#include "common/app/export.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "common/app/backend.h"
#include "common/app/inputs_kept.h"
#include "common/core/build.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/export/network_graph.h"
#include "common/io/atomic_file.h"
#include "common/io/table.h"
#include "common/train/checkpoint.h"

namespace attnunet::app {
namespace {

struct ExportOptions {
  std::string checkpoint, out;
  std::optional<ImageSize> size;  ///< the checkpoint's if absent
  bool dynamic = false;           ///< height and width are free
  std::optional<Weights> weights;
  bool keep_aspect = false;  ///< even if the checkpoint does not say so
};

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

double threshold_of(const Checkpoint& checkpoint) {
  return checkpoint.threshold.value_or(0.5);
}

std::string threshold_text(const Checkpoint& checkpoint) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", threshold_of(checkpoint));
  return text;
}

/// The same of logits; "0" of 0.5.
std::string logit_text(const Checkpoint& checkpoint) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", std::log(threshold_of(checkpoint) / (1 - threshold_of(checkpoint))));
  return text;
}

/// What a user of the file must know and the graph does not say.
void describe(onnx::Model& model, const Checkpoint& checkpoint) {
  const TrainConfig& config = checkpoint.config;
  const std::string size = text_of(config.size), multiple = std::to_string(config.network.multiple());
  const std::string sides = std::to_string(config.size.height) + "x" + std::to_string(config.size.width);
  const std::string fitting =
      config.reading.keep_aspect
          ? "scaled by one factor, by Pillow's BILINEAR, to the largest picture of its shape that " + sides +
                " (height x width) holds, each side rounded to the nearest pixel; centred there, an odd line of "
                "padding on the right or at the bottom; padded by edge replication"
          : "where the size differs, resized to " + sides + " (height x width) by Pillow's BILINEAR";
  const std::string preprocessing = "luma = (19595 R + 38470 G + 7471 B + 32768) >> 16 of the 8-bit image; " + fitting +
                                    "; divided by 255; padded on the right and at the bottom by edge " +
                                    "replication to multiples of " + multiple + ", the outputs cropped back";
  model.name = name_of(config.network.variant);
  model.producer_version = version;
  model.description = std::string(config.network.gated() ? "Attention U-Net" : "U-Net") +
                      " for lesions in breast ultrasound, batch norm folded. image [N,1,H,W]: " + preprocessing +
                      ". A pixel is lesion where logits > " + logit_text(checkpoint) + ", which is probability > " +
                      threshold_text(checkpoint) + ". Not a medical device.";
  model.metadata = {{"attnunet_version", version},
                    {"variant", name_of(config.network.variant)},
                    {"base", std::to_string(config.network.base)},
                    {"size", size},
                    {"multiple", multiple},
                    {"preprocessing", preprocessing},
                    {"classes", "lesion"}};
  if (config.reading.keep_aspect) model.metadata.emplace_back("keep_aspect", "yes");
  if (checkpoint.has_metadata)
    model.metadata.emplace_back("trained_on", config.classes.empty() ? "all classes" : joined(config.classes));
  model.metadata.emplace_back("threshold", threshold_text(checkpoint));
  if (checkpoint.min_area > 0) model.metadata.emplace_back("min_area", std::to_string(checkpoint.min_area));
  if (checkpoint.largest > 0) model.metadata.emplace_back("largest", std::to_string(checkpoint.largest));
  if (!checkpoint.has_metadata) return;
  model.metadata.emplace_back("epoch", std::to_string(checkpoint.epoch));
  model.metadata.emplace_back("step", std::to_string(checkpoint.step));
}

bool is_weights_file(const std::string& file) {
  return std::filesystem::path(file).extension() == ".safetensors";
}

/// A model of ours without what only training needs.
void write_weights(Checkpoint checkpoint, const ExportOptions& options) {
  if (options.weights == Weights::raw) checkpoint.config.ema = 0;  // else they would count as averages
  for (std::vector<float>* gone :
       {&checkpoint.adam_m, &checkpoint.adam_v, &checkpoint.ema_parameters, &checkpoint.ema_statistics})
    gone->clear();
  save_checkpoint(options.out, checkpoint);
  const NetworkConfig& config = checkpoint.config.network;
  std::printf("%s: the weights of %s, base %d, without what only training needs, %s bytes\n", options.out.c_str(),
              name_of(config.variant), config.base,
              grouped(static_cast<Index>(std::filesystem::file_size(options.out))).c_str());
}

void run(const ExportOptions& options) {
  keep_inputs({{"--out", options.out}}, {options.checkpoint});
  std::error_code ignored;
  const std::filesystem::path out = options.out;
  if (std::filesystem::is_regular_file(out, ignored) && out.extension() != ".onnx" && !is_weights_file(options.out))
    throw UsageError("--out: " + quoted(options.out) +
                     " is there and its name does not end in .onnx or .safetensors; "
                     "choose another name");
  Checkpoint checkpoint = load_checkpoint(options.checkpoint);
  const std::string weights = choose_weights(checkpoint, options.weights, options.checkpoint);
  if (is_weights_file(options.out)) {
    if (options.size || options.keep_aspect || options.dynamic)
      throw UsageError("--size, --keep-aspect and --dynamic are for ONNX: leave them out, or name a file .onnx");
    if (!checkpoint.has_metadata)
      throw Error(options.checkpoint +
                  " has no metadata of ours, which a model needs; only ONNX can be exported from it");
    write_weights(std::move(checkpoint), options);
    if (!weights.empty()) std::printf("They are its %s\n", weights.c_str());
    return;
  }
  const NetworkConfig& config = checkpoint.config.network;
  const std::string trained_at = images_text(checkpoint.config);
  if (options.size) {
    require_size(config, *options.size);
    checkpoint.config.size = *options.size;
  }
  if (options.keep_aspect) checkpoint.config.reading.keep_aspect = true;
  cpu::Device device(1);
  AttentionUNet<Cpu<float>> network(device, make_architecture(config), false);
  network.load({checkpoint.parameters.begin(), checkpoint.parameters.end()},
               {checkpoint.statistics.begin(), checkpoint.statistics.end()});
  const ImageSize size = checkpoint.config.size;
  const std::string height = options.dynamic ? "H" : std::to_string(config.padded(size.height));
  const std::string width = options.dynamic ? "W" : std::to_string(config.padded(size.width));
  onnx::Model model = network_graph(config, folded_convolutions(network), height, width);
  describe(model, checkpoint);
  const std::string file = onnx::serialise(model);
  write_file_atomically(options.out, file);

  Index numbers = 0;
  for (const onnx::Tensor& tensor : model.tensors) numbers += static_cast<Index>(tensor.values.size());
  const std::string assumed = assumptions(checkpoint, checkpoint.config.size);
  if (!assumed.empty()) std::printf("%s has %s\n", options.checkpoint.c_str(), assumed.c_str());
  if (!weights.empty()) std::printf("%s: %s\n", options.checkpoint.c_str(), weights.c_str());
  const std::string epochs = checkpoint.has_metadata ? std::to_string(checkpoint.epoch) + " epochs trained" : "";
  std::printf("%s: %s, base %d%s%s\n", options.out.c_str(), name_of(config.variant), config.base,
              epochs.empty() ? "" : ", ", epochs.c_str());
  std::printf("ONNX opset %d, %zu operations, %s weights, %s bytes; batch norm is folded into the convolutions\n",
              onnx::opset, model.nodes.size(), grouped(numbers).c_str(),
              grouped(static_cast<Index>(file.size())).c_str());
  // Without metadata, what is given counts as what it was trained at.
  const std::string exported_at = images_text(checkpoint.config);
  const std::string sizes = !checkpoint.has_metadata    ? "taken to be trained at " + exported_at
                            : exported_at == trained_at ? "trained at " + trained_at
                                                        : "trained at " + trained_at + ", exported at " + exported_at;
  std::printf("input   image [N,1,%s,%s], grey in [0, 1]; %s; height and width are multiples of %lld\n", height.c_str(),
              width.c_str(), sizes.c_str(), static_cast<long long>(config.multiple()));
  std::printf("output  logits, probability [N,1,%s,%s]; a pixel is lesion where the logit is above %s\n",
              height.c_str(), width.c_str(), logit_text(checkpoint).c_str());
  std::printf("%s\n", options.dynamic ? "N, height and width are free"
                                      : "N is free, height and width are fixed (--dynamic frees them)");
}

}  // namespace

void add_export_command(Command& app) {
  const auto options = std::make_shared<ExportOptions>();
  Command* command =
      app.add_subcommand("export", "The trained network as an ONNX file for other programs, or its weights alone");
  command->add_option("--checkpoint", options->checkpoint, "the network: a .safetensors file that train wrote")
      ->required();
  command
      ->add_option(
          "--out", options->out,
          "the file to write: model.onnx, or model.safetensors for the weights without what only training needs")
      ->required();
  add_other_size_option(*command, options->size, "the checkpoint's");
  add_keep_aspect_option(*command, options->keep_aspect, keep_aspect_of_checkpoint);
  add_weights_option(*command, options->weights);
  command->add_flag(
      "--dynamic", options->dynamic,
      "leave height and width free, too; otherwise they are fixed at --size, and only the number of images "
      "is free");
  command->callback([options] { run(*options); });
}

}  // namespace attnunet::app
