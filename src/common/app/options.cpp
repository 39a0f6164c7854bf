#include "common/app/options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/image_bytes.h"
#include "common/io/machine.h"
#include "cuda/device.h"

namespace attnunet::app {

Rule whole_number(std::uint64_t low, std::uint64_t high) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  return {[=](const std::string& text) {
            std::uint64_t value = 0;
            const char* end = text.data() + text.size();
            const std::from_chars_result parsed = std::from_chars(text.data(), end, value);
            if (parsed.ec == std::errc() && parsed.ptr == end && value >= low && value <= high) return std::string();
            return quoted(text) + " is out of range: a whole number from " + range;
          },
          std::to_string(low) + ".." + std::to_string(high)};
}

Rule number(bool (*allowed)(double), const std::string& range) {
  return {[=](const std::string& text) {
            char* end = nullptr;
            const double value = std::strtod(text.c_str(), &end);
            if (!text.empty() && *end == '\0' && allowed(value)) return std::string();
            return quoted(text) + " is out of range: a number " + range;
          },
          range};
}

Rule one_of(std::vector<std::string> names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : "|") + name;
  return {[=](const std::string& text) {
            if (std::find(names.begin(), names.end(), text) != names.end()) return std::string();
            return quoted(text) + " is unknown: one of " + list;
          },
          list};
}

void add_backend_option(Command& command, Backend& backend) {
  add_named_option(command, backend, "what computes");
}

std::string built_backends() {
#ifdef ATTNUNET_HAVE_CUDA
  return "cpu, cuda-sim, cuda";
#else
  return "cpu, cuda-sim";
#endif
}

void require_backend(Backend backend, Precision precision, ConvMethod conv) {
  require_precision(backend, precision);
  require_conv_method(backend, conv);
  const std::string missing = backend == Backend::cuda ? cuda::gpu_missing() : "";
  if (!missing.empty()) throw Error(missing);
}

void add_precision_option(Command& command, Precision& precision) {
  add_named_option(command, precision, "of matrix products; tf32 and bf16 on cuda and cuda-sim only");
}

void add_conv_option(Command& command, ConvMethod& conv) {
  add_named_option(command, conv,
                   "method for convolutions; auto: by their shape; reference: plain loops, for other layers too; all "
                   "but auto on cpu only");
}

void add_threads_option(Command& command, int& threads) {
  threads = std::min(all_cores(), largest_threads);
  command.add_option("--threads", threads, "OpenMP threads; the result does not depend on it")
      ->check(whole_number(1, largest_threads));
}

void add_network_options(Command& command, NetworkConfig& network) {
  add_named_option(command, network.variant,
                   "Attention U-Net, or the plain U-Net without gates; the number: levels of the encoder");
  command.add_option("--base", network.base, "channels of the first level")
      ->check({[](const std::string& text) {
                 int value = 0;
                 const char* end = text.data() + text.size();
                 const std::from_chars_result parsed = std::from_chars(text.data(), end, value);
                 if (parsed.ec == std::errc() && parsed.ptr == end && value >= 2 && value <= 512 && value % 2 == 0)
                   return std::string();
                 return quoted(text) + " is out of range: an even number from 2 to 512";
               },
               "2..512, even"});
}

namespace {

/// What --size takes.
Rule image_size() {
  constexpr int least = 8;
  const std::string range = std::to_string(least) + ".." + std::to_string(largest_side);
  return {[](const std::string& text) {
            const std::optional<ImageSize> size = parse_image_size(text);
            if (size) return size_complaint(*size, least);
            return quoted_excerpt(text) + " is no size: one side, such as 256, or height and width, such as 192x256";
          },
          range + " or HxW"};
}

}  // namespace

void add_size_option(Command& command, ImageSize& size) {
  command
      .add_option_function(
          "--size", [&size](const std::string& text) { size = parse_image_size(text).value(); },
          "of the network's images: the side of a square, or HxW, the height first; a side is at least 8 (3 levels) or "
          "16 "
          "(4 levels)")
      ->default_str(text_of(size))
      ->check(image_size());
}

void add_other_size_option(Command& command, std::optional<ImageSize>& size, const std::string& otherwise) {
  command
      .add_option_function(
          "--size", [&size](const std::string& text) { size = parse_image_size(text); },
          "of the network's images: the side of a square, or HxW, the height first; " + otherwise + " if not given")
      ->default_str("")
      ->check(image_size());
}

void require_size(const NetworkConfig& network, const ImageSize& size) {
  const std::string complaint = size_complaint(size, network.multiple());
  if (!complaint.empty()) throw UsageError("--size: " + complaint + " for " + name_of(network.variant));
}

void add_keep_aspect_option(Command& command, bool& keep_aspect, const std::string& note) {
  command.add_flag("--keep-aspect", keep_aspect,
                   "scale both sides of an image alike, to fit into --size, and repeat its edge around it" + note);
}

void add_mask_rule_option(Command& command, data::MaskRule& rule) {
  const Rule known{[](const std::string& text) {
                     try {
                       data::parse_mask_rule(text);
                       return std::string();
                     } catch (const UsageError&) {
                       return quoted_excerpt(text) + " is unknown: auto, above:T, nonzero or labels:A,B";
                     }
                   },
                   "auto|above:T|nonzero|labels:A,B"};
  command
      .add_option_function(
          "--mask-rule", [&rule](const std::string& text) { rule = data::parse_mask_rule(text); },
          "which pixels of a mask are lesion: above a luma (0 to 65534), not 0, or of these label numbers; auto tells "
          "black and white, labels, colours, palettes and alpha apart")
      ->default_str(text_of(rule))
      ->check(known);
}

void add_orientation_option(Command& command, data::ReadOptions& files) {
  command.add_flag("--ignore-orientation", files.ignore_orientation,
                   "read pixels as they are stored, not as EXIF says that a viewer shows them");
}

namespace {

struct LossOption {
  const char* name;
  LossKind loss;
};

constexpr LossOption loss_options[] = {{"tversky-fn", LossKind::tversky},
                                       {"tversky-fp", LossKind::tversky},
                                       {"tversky-gamma", LossKind::tversky},
                                       {"focal-gamma", LossKind::focal},
                                       {"focal-alpha", LossKind::focal}};

}  // namespace

void add_loss_options(Command& command, LossConfig& loss, const std::string& help) {
  const Rule up_to_100 = number([](double value) { return value >= 0 && value <= 100; }, "from 0 to 100");
  add_named_option(command, loss.kind, help);
  command.add_option("--tversky-fn", loss.tversky.fn, "weight of missed lesion pixels in --loss tversky")
      ->check(up_to_100);
  command.add_option("--tversky-fp", loss.tversky.fp, "weight of pixels falsely called lesion in --loss tversky")
      ->check(up_to_100);
  command.add_option("--tversky-gamma", loss.tversky.gamma, "exponent of --loss tversky")
      ->check(number([](double value) { return value > 0 && value <= 100; }, "above 0, at most 100"));
  command
      .add_option("--focal-gamma", loss.focal.gamma,
                  "exponent of --loss focal: the higher, the less pixels count that are already right")
      ->check(up_to_100);
  command.add_option("--focal-alpha", loss.focal.alpha, "weight of lesion pixels in --loss focal; others: 1 - alpha")
      ->check(number([](double value) { return value >= 0 && value <= 1; }, "from 0 to 1"));
}

void require_options_of_loss(const std::set<std::string>& given, LossKind loss) {
  for (const LossOption& option : loss_options)
    if (given.count(option.name) != 0 && option.loss != loss)
      throw UsageError(std::string("--") + option.name + " needs --loss " + name_of(option.loss) + ", not " +
                       name_of(loss));
}

void add_data_options(Command& command, TrainConfig& config) {
  command.add_option("--data", config.data, "dataset folder, or CSV file with the columns image and mask");
  add_mask_rule_option(command, config.reading.mask_rule);
  add_orientation_option(command, config.reading.files);
  command.add_option("--classes", config.classes, "classes to use, separated by commas; all if not given")
      ->delimiter(',');
  add_named_option(
      command, config.split,
      "how cases are shared out to training and validation; dataset: by its folders train and val or its table, "
      "the default where it has them");
  command.add_option("--folds", config.folds, "cross-validation with this many folds, instead of --split")
      ->check(whole_number(2, 1000));
  command.add_option("--fold", config.fold, "the fold that validates, from 0 on; with --test-part it tests")
      ->check(whole_number(0, 999));
  command.add_option("--train-list", config.train_list, "file with the names of the training cases, one a line");
  command.add_option("--val-list", config.val_list, "file with the names of the validation cases");
  command.add_option("--test-list", config.test_list, "file with the names of the test cases, beside the other two");
  command
      .add_option("--test-part", config.test_part,
                  "share of each class that is kept for testing, drawn before the validation cases; with --folds K the "
                  "fold, 1/K, and a fifth of the rest validates")
      ->check(number([](double value) { return value >= 0 && value <= 0.9; }, "from 0 to 0.9"));
}

void add_weights_option(Command& command, std::optional<Weights>& weights) {
  command
      .add_option_function(
          "--weights", [&weights](const std::string& text) { weights = parse<Weights>(text); },
          "of a run with --ema: the weights as trained, or their average; if not given: the average if there is one")
      ->check(one_of(names_of<Weights>()));
}

void add_component_options(Command& command, Index& min_area, Index& largest, const std::string& more) {
  constexpr std::uint64_t most = data::largest_image;
  command
      .add_option("--min-area", min_area,
                  "leave out connected parts of a mask with fewer pixels of the image; 0: none" + more)
      ->check(whole_number(0, most))
      ->default_str("");
  command.add_option("--largest", largest, "leave out all but so many parts of a mask, the largest; 0: none" + more)
      ->check(whole_number(0, most))
      ->default_str("");
}

}  // namespace attnunet::app
