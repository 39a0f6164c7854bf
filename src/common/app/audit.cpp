#include "common/app/audit.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "common/app/dataset.h"
#include "common/app/inputs_kept.h"
#include "common/app/options.h"
#include "common/app/scores.h"
#include "common/app/seen.h"
#include "common/core/in_parallel.h"
#include "common/data/sample.h"
#include "common/data/split.h"
#include "common/io/atomic_file.h"
#include "common/io/machine.h"
#include "common/io/signals.h"
#include "common/io/table.h"
#include "common/train/cases.h"

namespace attnunet::app {
namespace {

using Json = nlohmann::ordered_json;
using Cases = std::vector<std::size_t>;

struct AuditOptions {
  std::string checkpoint, json;
  TrainConfig config;  // of what is given on the command line
};

/// Of a part of the split, by one predictor.
struct Column {
  Metrics all, lesions;  // of all its images, of those with a lesion
  Index lesion_images = 0;
  bool has_loss = true;
};

Column column_of(const std::vector<ImageScore>& scores) {
  MetricSums all, lesions;
  for (const ImageScore& score : scores) {
    all.add(score);
    if (score.counts.tp + score.counts.fn > 0) lesions.add(score);
  }
  Column column{all.metrics(), {}, lesions.images(), true};
  if (lesions.images() > 0) column.lesions = lesions.metrics();
  return column;
}

/// Nothing predicted: of the truth alone.
std::vector<ImageScore> scores_of_nothing(const data::Dataset& dataset, const Cases& cases, const ImageSize& size) {
  std::vector<ImageScore> scores(cases.size());
  in_parallel(cases.size(), all_cores(), [&](std::size_t i) {
    const std::vector<std::uint8_t> mask = data::load(dataset.cases[cases[i]], size).mask.pixels;
    PixelCounts& counts = scores[i].counts;
    counts.fn = std::count(mask.begin(), mask.end(), 1);
    counts.tn = static_cast<std::int64_t>(mask.size()) - counts.fn;
  });
  return scores;
}

/// One network's row of the paper's Table I, after 20 epochs: a part's binary cross-entropy, accuracy and IoU.
struct Reported {
  double loss, accuracy, iou;
};
struct Networks {
  Reported attention3, attention4;
};
constexpr Networks reported_training{{0.1331, 0.9487, 0.4560}, {0.1356, 0.9508, 0.4571}};
constexpr Networks reported_validation{{0.0771, 0.9788, 0.4910}, {0.0631, 0.9854, 0.4909}};

/// One part of the split.
struct Part {
  const char* name;
  Cases cases;
  Networks reported;
  Column nothing;
  std::optional<Column> checkpoint;
  std::vector<Seen> seen;  // of each case by the checkpoint
};

/// A measure of a column, and of a row of Table I if that has it.
struct Measure {
  const char *name, *key;
  double (*value)(const Column&);
  bool (*defined)(const Column&);
  double Reported::*reported;
};
bool always(const Column&) {
  return true;
}
bool with_loss(const Column& c) {
  return c.has_loss;
}
bool with_lesions(const Column& c) {
  return c.lesion_images > 0;
}
constexpr Measure measures[] = {
    {"loss (BCE)", "bce", [](const Column& c) { return c.all.loss; }, with_loss, &Reported::loss},
    {"accuracy", "accuracy", [](const Column& c) { return c.all.accuracy; }, always, &Reported::accuracy},
    {"IoU as the paper's", "keras_mean_iou", [](const Column& c) { return c.all.keras_mean_iou; }, always,
     &Reported::iou},
    {"lesion IoU", "lesion_iou", [](const Column& c) { return c.lesions.iou; }, with_lesions, nullptr},
    {"lesion Dice", "lesion_dice", [](const Column& c) { return c.lesions.dice; }, with_lesions, nullptr},
    {"pooled IoU", "pooled_iou", [](const Column& c) { return c.all.pooled_iou; }, always, nullptr},
    {"pooled Dice", "pooled_dice", [](const Column& c) { return c.all.pooled_dice; }, always, nullptr},
};

std::string text(const Measure& measure, const Column& column) {
  return measure.defined(column) ? fixed(measure.value(column), 4) : "-";
}

std::string text(const Measure& measure, const Reported& reported) {
  return measure.reported ? fixed(reported.*measure.reported, 4) : "-";
}

Json to_json(const Column& column) {
  Json object;
  for (const Measure& measure : measures) {
    object[measure.key] = nullptr;
    if (measure.defined(column)) object[measure.key] = measure.value(column);
  }
  object["images_with_lesion"] = column.lesion_images;
  return object;
}

std::vector<Seen> all_seen(const std::vector<Part>& parts) {
  std::vector<Seen> all;
  for (const Part& part : parts) all.insert(all.end(), part.seen.begin(), part.seen.end());
  return all;
}

/// What the checkpoint was trained on among the validation images.
std::string trained_on(const Part& val) {
  const SeenCounts counts = count_seen(val.seen);
  const std::string of_images = " of these " + std::to_string(counts.images) + " validation images";
  if (counts.unknown > 0)
    return "Whether the checkpoint was trained on " + std::to_string(counts.unknown) + of_images + " is not known";
  std::string text = "The checkpoint was trained on " + std::to_string(counts.trained) + of_images;
  if (counts.near_duplicates > 0)
    text += " and on near-duplicates of " + std::to_string(counts.near_duplicates) + " others";
  if (counts.trained > 0) text += ": a network that has not seen them needs train --split paper";
  return text;
}

void print(const std::vector<Part>& parts, const std::string& nothing, const std::string& checkpoint) {
  std::vector<std::string> headings{"", "", "paper, Attention3", "paper, Attention4", nothing};
  if (!checkpoint.empty()) headings.push_back(checkpoint);
  Table table(headings, 2);
  for (const Part& part : parts) {
    std::string name = std::string(part.name) + ", " + std::to_string(part.cases.size()) + " images";
    for (const Measure& measure : measures) {
      std::vector<std::string> row{name, measure.name, text(measure, part.reported.attention3),
                                   text(measure, part.reported.attention4), text(measure, part.nothing)};
      if (part.checkpoint) row.push_back(text(measure, *part.checkpoint));
      table.add(row);
      name = "";
    }
  }
  table.print();
}

/// What the numbers mean.
void explain(const data::Dataset& dataset, const Part& val) {
  const auto normal = std::count_if(val.cases.begin(), val.cases.end(), [&](std::size_t one) {
    return data::is_named_without_lesion(dataset.cases[one].class_name);
  });
  std::printf(
      "\n-: not in the paper, or nothing to measure. Lesion IoU, Dice: means over the images with a lesion (%lld in "
      "validation).\n"
      "The paper's training numbers are means over the last epoch, with dropout; a checkpoint's are those of its final "
      "weights.\n\n",
      static_cast<long long>(val.nothing.lesion_images));
  if (val.nothing.lesion_images == 0) {
    std::printf(
        "No validation image has a lesion: predicting nothing is right, and the split measures nothing else.\n");
    return;
  }
  std::printf(
      "The paper's IoU truncates probabilities to integers, so that a lesion counts as found only where the network "
      "is\n"
      "certain to the last bit, and averages lesion and background: whoever predicts nothing gets half the share of\n"
      "background, here %s. Its validation images are the last fifth of the folder, %lld of %zu of them normal ones\n"
      "without a lesion, where predicting nothing is right, so that it is %s accurate while it finds no lesion at "
      "all:\n"
      "lesion IoU %s.\n",
      fixed(val.nothing.all.keras_mean_iou, 4).c_str(), static_cast<long long>(normal), val.cases.size(),
      fixed(val.nothing.all.accuracy, 4).c_str(), fixed(val.nothing.lesions.iou, 4).c_str());
}

Json all_json(const data::Dataset& dataset, const std::vector<Part>& parts, const ImageSize& size,
              const AuditOptions& options, const TrainConfig& config, bool listed) {
  Json object{{"data", dataset.root.string()},
              {"split", name_of(data::SplitKind::paper)},
              {"size", size},
              {"keep_aspect", config.reading.keep_aspect}};
  if (!options.checkpoint.empty()) {
    object["checkpoint"] = options.checkpoint;
    object["checkpoint_size"] = config.size;
    object.update(seen_json(count_seen(all_seen(parts)), listed));
  }
  for (const Part& part : parts) {
    Json& one = object[part.name];
    one["cases"] = part.cases.size();
    one["nothing"] = to_json(part.nothing);
    if (!part.checkpoint) continue;
    one["checkpoint"] = to_json(*part.checkpoint);
    one["checkpoint"].update(seen_json(count_seen(part.seen), listed));
  }
  return object;
}

/// False where interrupted.
bool run(const AuditOptions& options, const std::set<std::string>& given) {
  require_backend(options.config.backend, options.config.precision, options.config.conv);
  std::optional<Checkpoint> checkpoint;
  TrainConfig config = options.config;
  const ImageSize size = config.size;
  if (!options.checkpoint.empty()) {
    checkpoint = load_checkpoint(options.checkpoint);
    choose_weights(*checkpoint, std::nullopt, options.checkpoint);
    config = merged_config(*checkpoint, options.checkpoint, options.config, given);
    config.classes.clear();
    config.loss = {};  // Table I has binary cross-entropy, whatever the checkpoint was trained with
  }
  validate(config);
  data::Dataset dataset = find_dataset(config);
  keep_inputs({{"--json", options.json}}, {options.checkpoint});
  keep_dataset({{"--json", options.json}}, dataset);
  data::SplitOptions paper;
  paper.kind = data::SplitKind::paper;
  const data::Split split = data::make_split(dataset, paper);
  const Cases all = data::all_cases(split);
  std::optional<AtomicFile> json_file;  // made before the work: a file that cannot be written shows now
  if (!options.json.empty()) json_file.emplace(options.json);

  catch_interrupts();
  std::vector<Part> parts{{"training", split.train, reported_training, {}, {}, {}},
                          {"validation", split.val, reported_validation, {}, {}, {}}};
  if (checkpoint) {
    data::Fingerprints prints(dataset);
    for (Part& part : parts) part.seen = seen_by(checkpoint->case_list, prints, part.cases);
    warn_of_seen(count_seen(all_seen(parts)), "scored");
  }
  if (checkpoint) {
    const std::string assumed = assumptions(*checkpoint, config.size);
    if (!assumed.empty()) std::printf("The checkpoint has %s\n", assumed.c_str());
  }
  tell_left_out(dataset);
  const data::Survey survey = check_files(dataset, all, config);
  find_intensity_range(dataset, config, survey, all);
  warn_beyond_range(config, survey, all);
  std::printf("%s\n", data::layout_line(dataset).c_str());
  for (Part& part : parts) {
    part.nothing = column_of(scores_of_nothing(dataset, part.cases, size));
    part.nothing.has_loss = false;  // it has no probabilities
    if (!checkpoint) continue;
    const std::vector<ImageScore> scores = scores_of(Model{{*checkpoint}}, config, dataset, part.cases);
    if (scores.size() < part.cases.size()) return false;
    part.checkpoint = column_of(scores);
  }

  std::printf("Table I of Laghmati et al. 2023 recomputed on %s\n\n", dataset.root.c_str());
  TrainConfig nothing = config;
  nothing.size = size;
  print(parts, "predicting nothing, " + images_text(nothing), checkpoint ? "checkpoint, " + images_text(config) : "");
  explain(dataset, parts[1]);
  if (checkpoint) std::printf("\n%s (%s).\n", trained_on(parts[1]).c_str(), options.checkpoint.c_str());
  if (json_file) {
    const bool listed = checkpoint && checkpoint->case_list;
    const std::string text = all_json(dataset, parts, size, options, config, listed)
                                 .dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                             "\n";
    json_file->commit(text);
  }
  return true;
}

}  // namespace

void add_audit_command(Command& app, int& exit_code) {
  const auto options = std::make_shared<AuditOptions>();
  TrainConfig& config = options->config;
  Command* command = app.add_subcommand(
      "audit", "The paper's Table I beside what predicting nothing scores under its split and metric");
  command->add_option("--data", config.data, "dataset folder, or CSV file with the columns image and mask");
  add_mask_rule_option(*command, config.reading.mask_rule);
  add_orientation_option(*command, config.reading.files);
  command->add_option("--checkpoint", options->checkpoint, "a model to score under the same protocol, at its own size");
  add_size_option(*command, config.size);
  add_keep_aspect_option(*command, config.reading.keep_aspect, keep_aspect_of_checkpoint);
  add_backend_option(*command, config.backend);
  add_precision_option(*command, config.precision);
  add_conv_option(*command, config.conv);
  command->add_option("--batch", config.batch, "images at a time")->check(whole_number(1, largest_batch));
  add_threads_option(*command, config.threads);
  command->add_option("--json", options->json, "file for the numbers that were computed");
  command->callback([options, command, &exit_code] {
    if (!run(*options, command->given())) exit_code = 130;
  });
}

}  // namespace attnunet::app
