#include "common/app/evaluate.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "common/app/backend.h"
#include "common/app/csv.h"
#include "common/app/dataset.h"
#include "common/app/options.h"
#include "common/app/table.h"
#include "common/train/atomic_file.h"
#include "common/train/cases.h"
#include "common/train/checkpoint.h"
#include "common/train/device_memory.h"
#include "common/train/evaluator.h"
#include "common/train/run_folder.h"
#include "common/train/signals.h"

namespace attnunet::app {
namespace {

struct Options {
  std::string checkpoint, subset = "val", json, csv;
  TrainConfig config;  // of what is given on the command line
};

/// The checkpoint's configuration, with what was given in its place.
TrainConfig merged_config(const Checkpoint& checkpoint, const Options& options, const std::set<std::string>& given) {
  const TrainConfig& asked = options.config;
  TrainConfig config = checkpoint.config;
  const auto is_given = [&](const char* name) { return given.count(name) != 0; };
  const bool lists = is_given("train-list") || is_given("val-list"), folds = is_given("folds");
  if (is_given("split") || lists || folds) {  // one way of splitting replaces another
    config.train_cases.clear();
    config.val_cases.clear();
    config.folds = config.fold = 0;
  }
  if (is_given("split")) config.split = asked.split;
  if (lists) {
    config.train_list = asked.train_list;
    config.val_list = asked.val_list;
  }
  if (folds) config.folds = asked.folds;
  if (is_given("fold")) config.fold = asked.fold;
  if (is_given("classes")) config.classes = asked.classes;
  if (is_given("size")) config.size = asked.size;
  if (is_given("seed")) config.seed = asked.seed;
  if (is_given("loss")) config.loss = asked.loss;
  config.backend = asked.backend;
  config.precision = asked.precision;
  config.conv = asked.conv;
  config.batch = asked.batch;
  config.threads = asked.threads;
  config.data = asked.data;
  if (!is_given("data")) {
    const std::string recorded = recorded_data_folder(options.checkpoint);
    if (!recorded.empty()) config.data = recorded;
  }
  validate(config);
  return config;
}

std::vector<std::size_t> subset_of(const data::Dataset& dataset, const std::string& subset, TrainConfig& config) {
  std::vector<std::size_t> cases(dataset.cases.size());
  std::iota(cases.begin(), cases.end(), std::size_t{0});
  if (subset == "all") return cases;
  const data::Split split = split_of(dataset, config);
  return subset == "train" ? split.train : split.val;
}

/// Name and value of every metric of a set, in the order in which tables and files have them.
std::vector<std::pair<const char*, double>> named(const Metrics& m) {
  return {{"loss", m.loss},
          {"accuracy", m.accuracy},
          {"iou", m.iou},
          {"dice", m.dice},
          {"precision", m.precision},
          {"recall", m.recall},
          {"specificity", m.specificity},
          {"pooled_iou", m.pooled_iou},
          {"pooled_dice", m.pooled_dice},
          {"keras_mean_iou", m.keras_mean_iou}};
}

nlohmann::ordered_json to_json(const Metrics& metrics) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : named(metrics)) object[name] = value;
  return object;
}

std::string csv_row(const data::Case& one, const ImageScore& score) {
  const Metrics m = image_metrics(score);
  std::string row = csv_text(one.name) + "," + one.class_name;
  for (double value : {m.loss, m.accuracy, m.iou, m.dice, m.precision, m.recall, m.specificity}) {
    char text[40];
    std::snprintf(text, sizeof text, ",%.17g", value);
    row += text;
  }
  const PixelCounts& c = score.counts;
  return row + "," + std::to_string(c.tp + c.fn) + "," + std::to_string(c.tp + c.fp) + "\n";
}

/// The scores of the cases, in their order; fewer where interrupted.
template <class B>
std::vector<ImageScore> scores_of(typename B::Device& device, const Checkpoint& checkpoint, const TrainConfig& config,
                                  const data::Dataset& dataset, const std::vector<std::size_t>& cases) {
  const Architecture architecture = make_architecture(config.network);
  const Index most = static_cast<Index>(cases.size()), batch = std::min(config.batch, most);
  const int size = config.size;
  require_memory("evaluation",
                 AttentionUNet<B>::bytes(architecture, false) + Evaluator<B>::bytes(size, config.loss, batch, most) +
                     AttentionUNetTape<B>::planned_bytes(device, architecture, batch, size, size, Purpose::inference),
                 device.available_bytes());
  AttentionUNet<B> network(device, architecture, false);
  network.load({checkpoint.parameters.begin(), checkpoint.parameters.end()},
               {checkpoint.statistics.begin(), checkpoint.statistics.end()});
  AttentionUNetTape<B> tape(device, architecture, batch, size, size, Purpose::inference);
  Evaluator<B> evaluator(device, dataset, size, config.loss, batch, most);
  return evaluator.run(network, tape, cases, [](Index) { return !interrupted(); });
}

/// False where interrupted.
bool run(const Options& options, const std::set<std::string>& given) {
  require_backend(options.config.backend, options.config.precision, options.config.conv);
  const auto asked = [&](const char* name, int value) {
    return given.count(name) != 0 ? std::optional<int>(value) : std::nullopt;
  };
  const NetworkConfig& network_asked = options.config.network;
  const Checkpoint checkpoint =
      load_checkpoint(options.checkpoint, asked("variant", network_asked.levels), asked("base", network_asked.base));
  TrainConfig config = merged_config(checkpoint, options, given);
  const data::Dataset dataset = open_dataset(config);
  const std::vector<std::size_t> cases = subset_of(dataset, options.subset, config);
  // Made before the work: a file that cannot be written shows now.
  std::optional<AtomicFile> json_file, csv_file;
  if (!options.json.empty()) json_file.emplace(options.json);
  if (!options.csv.empty()) csv_file.emplace(options.csv);

  catch_interrupts();
  const std::vector<ImageScore> scores = with_backend<float>(
      config.backend, config.threads, config.precision, config.conv,
      [&](auto& device, auto b) { return scores_of<decltype(b)>(device, checkpoint, config, dataset, cases); });
  if (scores.size() < cases.size()) return false;

  MetricSums overall;
  std::map<std::string, MetricSums> by_class;
  std::string csv = "name,class,loss,accuracy,iou,dice,precision,recall,specificity,truth_pixels,predicted_pixels\n";
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const data::Case& one = dataset.cases[cases[i]];
    overall.add(scores[i]);
    by_class[one.class_name].add(scores[i]);
    csv += csv_row(one, scores[i]);
  }

  std::printf("%s, subset %s of %s, %d x %d\n\n", options.checkpoint.c_str(), options.subset.c_str(),
              dataset.root.c_str(), config.size, config.size);
  Table table({"class", "cases", "loss", "accuracy", "IoU", "Dice", "precision", "recall", "specificity", "pooled IoU",
               "pooled Dice", "Keras mean IoU"});
  const auto add_row = [&](const std::string& name, const MetricSums& sums) {
    std::vector<std::string> row{name, std::to_string(sums.images())};
    for (const auto& metric : named(sums.metrics())) row.push_back(fixed(metric.second, 4));
    table.add(row);
  };
  for (const auto& [name, sums] : by_class) add_row(name, sums);
  add_row("all", overall);
  table.print();

  if (json_file) {
    nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
    for (const auto& [name, sums] : by_class) {
      per_class[name] = {{"cases", sums.images()}};
      per_class[name].update(to_json(sums.metrics()));
    }
    const nlohmann::ordered_json object{{"checkpoint", options.checkpoint},
                                        {"subset", options.subset},
                                        {"cases", overall.images()},
                                        {"overall", to_json(overall.metrics())},
                                        {"per_class", per_class}};
    const std::string text = object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    json_file->write(text.data(), text.size());
    json_file->commit();
  }
  if (csv_file) {
    csv_file->write(csv.data(), csv.size());
    csv_file->commit();
  }
  return true;
}

}  // namespace

void add_evaluate_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<Options>();
  TrainConfig& config = options->config;
  CLI::App* command =
      app.add_subcommand("evaluate", "Metrics of a checkpoint. What is not given comes from the checkpoint.");
  command->add_option("--checkpoint", options->checkpoint, "the model")->required();
  command->add_option("--subset", options->subset, "which cases")->check(one_of({"train", "val", "all"}));
  add_backend_option(*command, config.backend);
  add_precision_option(*command, config.precision);
  add_conv_option(*command, config.conv);
  add_network_options(*command, config.network);
  add_size_option(*command, config.size);
  add_data_options(*command, config);
  command->add_option("--loss", config.loss, "the loss to report")->check(one_of({"bce", "bce+dice"}));
  command->add_option("--seed", config.seed, "of the split")->check(whole_number(0, largest_seed));
  command->add_option("--batch", config.batch, "images at a time")->check(whole_number(1, largest_batch));
  add_threads_option(*command, config.threads);
  command->add_option("--json", options->json, "file for the metrics of the set and of each class");
  command->add_option("--csv", options->csv, "file for the metrics of every image");
  for (const char* name : {"--variant", "--base", "--size", "--data", "--split", "--loss", "--seed"})
    command->get_option(name)->default_str("");  // the checkpoint's
  command->callback([options, command, &exit_code] {
    if (!run(*options, given_options(*command))) exit_code = 130;
  });
}

}  // namespace attnunet::app
