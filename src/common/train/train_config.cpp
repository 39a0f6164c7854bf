#include "common/train/train_config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <type_traits>
#include <utility>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr int deepest_config = 8;

// Calls visit(key, member) for every option that decides the result.
template <class Config, class Visit>
void for_each_deciding(Config& config, Visit visit) {
  visit("variant", config.network.variant);
  visit("backend", config.backend);
  visit("precision", config.precision);
  visit("conv", config.conv);
  visit("base", config.network.base);
  visit("dropout", config.network.dropout);
  visit("size", config.size);
  visit("batch", config.batch);
  visit("epochs", config.epochs);
  visit("lr", config.lr);
  visit("weight-decay", config.weight_decay);
  visit("lr-schedule", config.lr_schedule);
  visit("loss", config.loss.kind);
  visit("augment", config.augment);
  visit("seed", config.seed);
  visit("no-shuffle", config.no_shuffle);
  visit("classes", config.classes);
  visit("split", config.split);
  visit("folds", config.folds);
  visit("fold", config.fold);
  visit("train-cases", config.train_cases);
  visit("val-cases", config.val_cases);
}

// They decide the result as well, but stand in a checkpoint only if they differ from their defaults: commands of
// before they existed still write the same bytes.
template <class Config, class Visit>
void for_each_later(Config& config, Visit visit) {
  visit("ignore-orientation", config.reading.files.ignore_orientation);
  visit("mask-rule", config.reading.mask_rule);
  visit("intensity", config.reading.intensity.rule);
  visit("intensity-bits", config.reading.intensity.bits);
  visit("keep-aspect", config.reading.keep_aspect);
  visit("test-part", config.test_part);
  visit("test-cases", config.test_cases);
  visit("warmup", config.warmup);
  visit("clip-norm", config.clip_norm);
  visit("patience", config.patience);
  visit("ema", config.ema);
  visit("balance", config.balance);
  if (config.loss.kind == LossKind::tversky) {  // the numbers of other losses decide nothing
    visit("tversky-fn", config.loss.tversky.fn);
    visit("tversky-fp", config.loss.tversky.fp);
    visit("tversky-gamma", config.loss.tversky.gamma);
  }
  if (config.loss.kind == LossKind::focal) {
    visit("focal-gamma", config.loss.focal.gamma);
    visit("focal-alpha", config.loss.focal.alpha);
  }
}

template <class Config, class Visit>
void for_each_other(Config& config, Visit visit) {
  visit("train-list", config.train_list);
  visit("val-list", config.val_list);
  visit("test-list", config.test_list);
  visit("data", config.data);
  visit("files", config.files);
  visit("protocol", config.protocol);
  visit("out", config.out);
  visit("init", config.init);
  visit("resume", config.resume);
  visit("threads", config.threads);
  visit("quiet", config.quiet);
  visit("panels", config.panels);
}

template <class T>
OrderedJson to_json(const T& value) {
  if constexpr (std::is_enum_v<T>)
    return name_of(value);
  else
    return value;
}
OrderedJson to_json(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

OrderedJson to_json(const data::MaskRule& rule) {
  return text_of(rule);
}

OrderedJson deciding(const TrainConfig& config) {
  TrainConfig default_config;
  default_config.loss.kind = config.loss.kind;
  OrderedJson object = OrderedJson::object(), defaults = object;
  for_each_deciding(config, [&](const char* key, const auto& value) { object[key] = to_json(value); });
  for_each_later(std::as_const(default_config),
                 [&](const char* key, const auto& value) { defaults[key] = to_json(value); });
  for_each_later(config, [&](const char* key, const auto& value) {
    const OrderedJson json = to_json(value);
    if (json != defaults[key]) object[key] = json;
  });
  return object;
}

OrderedJson everything(const TrainConfig& config) {
  OrderedJson object = deciding(config);
  for_each_later(config, [&](const char* key, const auto& value) { object[key] = to_json(value); });
  for_each_other(config, [&](const char* key, const auto& value) { object[key] = to_json(value); });
  return object;
}

std::string dump(const OrderedJson& object, int indent) {
  try {
    return object.dump(indent);
  } catch (const OrderedJson::exception&) {
    throw Error("a path, class or case name is not valid UTF-8 and cannot be stored; rename it");
  }
}

// nlohmann's own conversions wrap and round silently; these do not.
bool read(const OrderedJson& value, bool& to) {
  if (value.is_boolean()) to = value.get<bool>();
  return value.is_boolean();
}
bool read(const OrderedJson& value, std::uint64_t& to) {
  if (value.is_number_unsigned()) to = value.get<std::uint64_t>();
  return value.is_number_unsigned();
}
template <class Integer>
bool read_integer(const OrderedJson& value, Integer& to) {
  std::uint64_t number = 0;
  if (!read(value, number) || number > static_cast<std::uint64_t>(std::numeric_limits<int>::max())) return false;
  to = static_cast<Integer>(number);
  return true;
}
bool read(const OrderedJson& value, int& to) {
  return read_integer(value, to);
}
bool read(const OrderedJson& value, Index& to) {
  return read_integer(value, to);
}
bool read(const OrderedJson& value, double& to) {
  if (value.is_number()) to = value.get<double>();
  return value.is_number();
}
bool read(const OrderedJson& value, std::optional<double>& to) {
  if (value.is_null()) return true;
  return read(value, to.emplace());
}
bool read(const OrderedJson& value, std::string& to) {
  if (value.is_string()) to = value.get<std::string>();
  return value.is_string();
}
template <class E, std::enable_if_t<std::is_enum_v<E>, int> = 0>
bool read(const OrderedJson& value, E& to) {
  if (value.is_string()) to = parse<E>(value.get<std::string>());
  return value.is_string();
}
bool read(const OrderedJson& value, ImageSize& to) {
  int side = 0;
  const std::optional<ImageSize> size = value.is_string()   ? parse_image_size(value.get<std::string>())
                                        : read(value, side) ? std::optional<ImageSize>(side)
                                                            : std::nullopt;
  if (size) to = *size;
  return size.has_value();
}
bool read(const OrderedJson& value, data::MaskRule& to) {
  if (value.is_string()) to = data::parse_mask_rule(value.get<std::string>());
  return value.is_string();
}
bool read(const OrderedJson& value, std::vector<std::string>& to) {
  if (!value.is_array()) return false;
  for (const OrderedJson& element : value)
    if (!read(element, to.emplace_back())) return false;
  return true;
}

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// Written so that NaN fails.
void require(bool in_range, const char* flag, const std::string& value, const char* range) {
  if (!in_range) throw UsageError(std::string("--") + flag + " " + value + " is out of range: " + range);
}

}  // namespace

data::SplitOptions split_options(const TrainConfig& config) {
  data::SplitOptions options;
  options.kind = config.split;
  options.train_list = config.train_list;
  options.val_list = config.val_list;
  options.test_list = config.test_list;
  options.folds = config.folds;
  options.fold = config.fold;
  options.test_part = config.test_part;
  options.seed = config.seed;
  return options;
}

void validate(const TrainConfig& config) {
  const NetworkConfig& network = config.network;
  require(network.base >= 2 && network.base <= 512 && network.base % 2 == 0, "base", std::to_string(network.base),
          "an even number from 2 to 512");
  if (network.dropout)
    require(*network.dropout >= 0 && *network.dropout < 1, "dropout", number(*network.dropout),
            "at least 0 and below 1");
  require_precision(config.backend, config.precision);
  require_conv_method(config.backend, config.conv);
  const std::string complaint = size_complaint(config.size, network.multiple());
  if (!complaint.empty()) throw UsageError("--size " + complaint + " for " + name_of(network.variant));
  require(config.batch >= 1 && config.batch <= 4096, "batch", std::to_string(config.batch), "1 to 4096");
  require(config.epochs >= 0 && config.epochs <= 100000, "epochs", std::to_string(config.epochs), "0 to 100000");
  require(config.lr > 0 && config.lr <= 100, "lr", number(config.lr), "above 0, at most 100");
  require(config.weight_decay >= 0 && config.weight_decay <= 100, "weight-decay", number(config.weight_decay),
          "0 to 100");
  require(config.warmup >= 0 && config.warmup <= 100000, "warmup", number(config.warmup), "0 to 100000");
  require(config.clip_norm >= 0 && config.clip_norm <= 1e9, "clip-norm", number(config.clip_norm), "0 to 1e9");
  require(config.patience >= 0 && config.patience <= 100000, "patience", std::to_string(config.patience),
          "0 to 100000");
  require(config.ema >= 0 && config.ema < 1, "ema", number(config.ema), "at least 0 and below 1");
  if (config.balance != data::Balance::none && config.no_shuffle)
    throw UsageError("--balance and --no-shuffle exclude each other: balanced draws are in random order");
  const TverskyOptions& tversky = config.loss.tversky;
  require(tversky.fn >= 0 && tversky.fn <= 100, "tversky-fn", number(tversky.fn), "0 to 100");
  require(tversky.fp >= 0 && tversky.fp <= 100, "tversky-fp", number(tversky.fp), "0 to 100");
  require(tversky.fn + tversky.fp > 0, "tversky-fn", number(tversky.fn), "above 0 if --tversky-fp is 0");
  require(tversky.gamma > 0 && tversky.gamma <= 100, "tversky-gamma", number(tversky.gamma), "above 0, at most 100");
  require(config.loss.focal.gamma >= 0 && config.loss.focal.gamma <= 100, "focal-gamma",
          number(config.loss.focal.gamma), "0 to 100");
  require(config.loss.focal.alpha >= 0 && config.loss.focal.alpha <= 1, "focal-alpha", number(config.loss.focal.alpha),
          "0 to 1");
  require(config.folds == 0 || (config.folds >= 2 && config.folds <= 1000), "folds", std::to_string(config.folds),
          "2 to 1000");
  require(config.fold >= 0 && config.fold < std::max(config.folds, 1), "fold", std::to_string(config.fold),
          "0 to folds - 1, together with --folds");
  if (config.train_list.empty() != config.val_list.empty())
    throw UsageError("--train-list and --val-list must be given together");
  if (config.folds != 0 && (!config.train_list.empty() || !config.train_cases.empty()))
    throw UsageError("--folds and --train-list exclude each other: choose one");
  require(config.test_part >= 0 && config.test_part <= 0.9, "test-part", number(config.test_part), "0 to 0.9");
  const std::string test_complaint = data::test_part_complaint(split_options(config));
  if (!test_complaint.empty()) throw UsageError(test_complaint);
  if (config.test_part > 0 && !config.train_cases.empty())
    throw UsageError("--test-part does not go with a run of lists: name --split or --folds too");
  require(config.threads >= 1 && config.threads <= 1024, "threads", std::to_string(config.threads), "1 to 1024");
  require(config.panels >= 0 && config.panels <= 100, "panels", std::to_string(config.panels), "0 to 100");
  require(config.reading.intensity.bits == 0 ||
              (config.reading.intensity.bits >= 10 && config.reading.intensity.bits <= 16),
          "intensity-bits", std::to_string(config.reading.intensity.bits), "0, or 10 to 16");
  if (!config.init.empty() && !config.resume.empty())
    throw UsageError("--init and --resume exclude each other: --resume continues a run, --init starts another");
}

std::string end_by_patience(const TrainConfig& config, int epochs_done, int epochs_since_best) {
  if (config.patience == 0 || epochs_since_best < config.patience || epochs_done >= config.epochs) return "";
  return "ended by --patience " + std::to_string(config.patience) + " after epoch " + std::to_string(epochs_done) +
         " of " + std::to_string(config.epochs) + ": the validation IoU has not improved since epoch " +
         std::to_string(epochs_done - epochs_since_best);
}

std::string images_text(const TrainConfig& config) {
  return described(config.size) + (config.reading.keep_aspect ? ", keep-aspect" : "");
}

std::string config_json(const TrainConfig& config) {
  OrderedJson object = everything(config);
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char started[32];
  std::strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", &utc);
  object["host"] = host;
  object["started"] = started;
  return dump(object, 2) + "\n";
}

std::string deciding_json(const TrainConfig& config) {
  return dump(deciding(config), -1);
}

TrainConfig parse_deciding_json(const std::string& text) {
  OrderedJson object;
  try {
    object = OrderedJson::parse(text, [](int depth, OrderedJson::parse_event_t, OrderedJson&) {
      if (depth > deepest_config) throw Error("the configuration is nested too deeply");
      return true;
    });
  } catch (const OrderedJson::exception&) {
    throw Error("the configuration is not JSON");
  }
  if (!object.is_object()) throw Error("the configuration is not a JSON object");
  TrainConfig config;
  std::set<std::string> known;
  // Checkpoints of before these existed have the defaults: float32, and auto. The oldest of them were made by products
  // alone and do not say so: resumed, they go on with other rounding.
  const std::set<std::string> newer{"precision", "conv"};
  const auto take = [&](const char* key, auto& value) {
    known.insert(key);
    if (newer.count(key) != 0 && !object.contains(key)) return;
    if (!object.contains(key) || !read(object[key], value))
      throw Error(std::string("the configuration lacks ") + key + " or has a wrong value there");
  };
  const auto take_if_there = [&](const char* key, auto& value) {
    if (object.contains(key)) take(key, value);
  };
  try {
    for_each_deciding(config, take);
    for_each_later(config, take_if_there);
    validate(config);
  } catch (const UsageError& error) {
    throw Error(error.what());
  }
  for (const auto& entry : object.items())
    if (known.count(entry.key()) == 0)
      throw Error("the configuration has an unknown entry " + quoted_excerpt(entry.key()));
  return config;
}

TrainConfig resumed_config(const TrainConfig& stored, const TrainConfig& given,
                           const std::set<std::string>& given_options) {
  static const std::set<std::string> free{"epochs", "patience", "threads", "out",  "data",
                                          "quiet",  "panels",   "resume",  "check"};
  TrainConfig of_given = given;
  if (given_options.count("loss") == 0) of_given.loss.kind = stored.loss.kind;
  const OrderedJson before = everything(stored), asked = everything(of_given);
  for (const std::string& option : given_options) {
    if (free.count(option) != 0 || !asked.contains(option)) continue;
    static const std::map<std::string, std::string> names_in{
        {"train-list", "train-cases"}, {"val-list", "val-cases"}, {"test-list", "test-cases"}};
    const auto list = names_in.find(option);
    const std::string& key = list == names_in.end() ? option : list->second;
    if (asked[key] != before[key])
      throw UsageError("--" + option + " differs from the run that --resume continues (there: " +
                       quoted_excerpt(dump(before[key], -1)) +
                       "): leave it out; only --epochs, --patience, --threads, --out, --data, "
                       "--panels and --quiet may differ");
  }
  TrainConfig config = stored;
  if (given_options.count("epochs") != 0) config.epochs = given.epochs;
  if (given_options.count("patience") != 0) config.patience = given.patience;
  config.threads = given.threads;
  config.quiet = given.quiet;
  config.panels = given.panels;
  config.data = given.data;
  config.resume = given.resume;
  config.out = given.out.empty() ? std::filesystem::path(given.resume).parent_path().string() : given.out;
  if (config.out.empty()) config.out = ".";
  return config;
}

}  // namespace attnunet
