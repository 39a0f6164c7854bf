// What the commands share: options that name their allowed range, and the option every command on a network has.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/app/command.h"
#include "common/core/backend.h"
#include "common/train/checkpoint.h"
#include "common/train/train_config.h"

namespace attnunet::app {

/// Rejects (exit code 2) what is not a whole number from low to high, saying so.
Rule whole_number(std::uint64_t low, std::uint64_t high);
/// Rejects what is not a number for which allowed(value) holds, NaN included; `range` is the rule in words.
Rule number(bool (*allowed)(double), const std::string& range);

/// Rejects what is not among the names, listing them.
Rule one_of(std::vector<std::string> names);

/// An option with a list of names (core/names.h); the default is the value at this moment.
template <class E>
Option* add_named_option(Command& command, E& value, const std::string& help) {
  return command
      .add_option_function(
          std::string("--") + Names<E>::option, [&value](const std::string& text) { value = parse<E>(text); }, help)
      ->default_str(name_of(value))
      ->check(one_of(names_of<E>()));
}

void add_backend_option(Command& command, Backend& backend);
/// The backends of this build, as in "cpu, cuda-sim".
std::string built_backends();
/// Throws Error where this build, or this machine, lacks the backend; UsageError where it has not that precision or
/// that method of convolution.
void require_backend(Backend backend, Precision precision, ConvMethod conv);

/// --precision of the matrix products.
void add_precision_option(Command& command, Precision& precision);
/// --conv, the method of convolutions on the CPU.
void add_conv_option(Command& command, ConvMethod& conv);

/// --threads; the default in `threads` becomes all cores.
void add_threads_option(Command& command, int& threads);

/// --variant and --base, straight into the configuration.
void add_network_options(Command& command, NetworkConfig& network);
void add_size_option(Command& command, ImageSize& size);
/// --size of a command that has another size if the option is not given: `otherwise`, in words.
void add_other_size_option(Command& command, std::optional<ImageSize>& size, const std::string& otherwise);
/// Throws UsageError where the network cannot take images of that size.
void require_size(const NetworkConfig& network, const ImageSize& size);

/// --keep-aspect: whether images keep their shape at the network's size. `note`, if any, ends the help.
void add_keep_aspect_option(Command& command, bool& keep_aspect, const std::string& note = "");
/// The note of commands that have a checkpoint.
constexpr const char* keep_aspect_of_checkpoint = "; always if the checkpoint was trained with it";

/// --mask-rule: which pixels of a mask file are lesion.
void add_mask_rule_option(Command& command, data::MaskRule& rule);

/// --ignore-orientation: whether EXIF decides what is up.
void add_orientation_option(Command& command, data::ReadOptions& files);

/// --weights: the raw or the averaged weights of a run with --ema.
void add_weights_option(Command& command, std::optional<Weights>& weights);

constexpr const char* tta_help =
    "mean logits over the 8 flips and turns of a square, the 4 flips of another --size; as many times the work";
constexpr const char* ensemble_help =
    "instead of --checkpoint: mean logits of these models, as of the folds of a cross-validation, which must agree in "
    "size and preparation of the images; predict's inputs come before it";

/// --min-area and --largest; `more` ends their help.
void add_component_options(Command& command, Index& min_area, Index& largest, const std::string& more);

/// --loss and the numbers of its losses.
void add_loss_options(Command& command, LossConfig& loss, const std::string& help);
/// Throws UsageError if one of the given options (names without dashes) is of another loss.
void require_options_of_loss(const std::set<std::string>& given, LossKind loss);

/// Where cases come from: --data, --mask-rule, --ignore-orientation, --classes, --split, --folds, --fold, --train-list,
/// --val-list, --test-list, --test-part.
void add_data_options(Command& command, TrainConfig& config);

constexpr std::uint64_t largest_seed = std::numeric_limits<std::uint64_t>::max();
constexpr int largest_batch = 4096, largest_threads = 1024;

}  // namespace attnunet::app
