#include "common/app/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <tuple>

#include "common/app/dataset.h"
#include "common/app/inputs_kept.h"
#include "common/app/marking.h"
#include "common/app/options.h"
#include "common/app/scores.h"
#include "common/app/seen.h"
#include "common/app/set_report.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/data/fingerprint.h"
#include "common/data/fit.h"
#include "common/io/atomic_file.h"
#include "common/io/csv.h"
#include "common/io/signals.h"
#include "common/io/table.h"
#include "common/predict/mask.h"
#include "common/scores/threshold.h"
#include "common/train/cases.h"
#include "common/train/checkpoint.h"
#include "common/train/protocol.h"

namespace attnunet::app {
namespace {

struct EvaluateOptions {
  std::vector<std::string> checkpoints, ensemble;
  bool tta = false;
  Subset subset = Subset::val;
  std::string json, csv, choose_threshold;
  MarkingOptions marking;
  int pool_batch = 8;
  std::optional<Weights> weights;
  TrainConfig config;  // of what is given on the command line
};

std::vector<Output> outputs_of(const EvaluateOptions& options) {
  return {{"--json", options.json}, {"--csv", options.csv}, {"--choose-threshold", options.choose_threshold}};
}

std::vector<std::size_t> subset_of(const data::Dataset& dataset, Subset subset, TrainConfig& config,
                                   data::Fingerprints& prints) {
  switch (subset) {
    case Subset::train:
      return split_of(dataset, config, prints).train;
    case Subset::val:
      return split_of(dataset, config, prints).val;
    case Subset::test: {
      std::vector<std::size_t> cases = split_of(dataset, config, prints).test;
      if (cases.empty())
        throw Error(dataset.root.string() +
                    " has no test cases: draw some with --test-part, name them with --test-list or in the column "
                    "split of a CSV file, or put them in a folder called test");
      return cases;
    }
    case Subset::all:
      return every_case(dataset);
  }
  no_such_value(subset);
}

PresentCases::Part subset_of(const PresentCases& present, Subset subset) {
  switch (subset) {
    case Subset::train:
      return present.train;
    case Subset::val:
      return present.val;
    case Subset::test:
      return present.test;
    case Subset::all: {
      PresentCases::Part all;
      for (const PresentCases::Part* part : {&present.train, &present.val, &present.test}) {
        all.cases.insert(all.cases.end(), part->cases.begin(), part->cases.end());
        all.missing += part->missing;
      }
      std::sort(all.cases.begin(), all.cases.end());
      return all;
    }
  }
  no_such_value(subset);
}

/// The picture within the network's image, without the padding of --keep-aspect.
struct Picture {
  data::Region region;
  double pixel_mm2 = 0;        ///< the area of a pixel of the network's image; 0: unknown
  std::int64_t predicted = 0;  ///< pixels marked in the region
};

Picture picture_of(const data::Extent& extent, const TrainConfig& config) {
  Picture picture;
  picture.region = data::fitted_region(extent.width, extent.height, config.size, config.reading.keep_aspect);
  if (extent.mm2() > 0)
    picture.pixel_mm2 = extent.mm2() / (static_cast<double>(picture.region.width) * picture.region.height);
  return picture;
}

std::int64_t count_marked(const data::Grey& mask, const data::Region& region) {
  const data::Grey part = data::crop(mask, region);
  return std::count(part.pixels.begin(), part.pixels.end(), 255);
}

/// From pixels of the image that the smallest area was chosen on to pixels of that which is scored.
void scale_area(report::Marking& marking, const ImageSize& size) {
  if (marking.area_of.height == 0) return;
  const double larger = static_cast<double>(size.pixels()) / static_cast<double>(marking.area_of.pixels());
  marking.min_area =
      std::max(Index{1}, static_cast<Index>(std::llround(static_cast<double>(marking.min_area) * larger)));
  marking.area_of = {0, 0};
}

/// Counts by the mask in place of those at a probability of 0.5. What tf.keras counts stays: it has a rule of its own.
void count(const data::Grey& mask, const float* truth, PixelCounts& counts) {
  counts.tp = counts.fp = counts.fn = counts.tn = 0;
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    const bool lesion = truth[i] > 0.5f, marked = mask.pixels[i] != 0;
    ++(marked ? (lesion ? counts.tp : counts.fp) : (lesion ? counts.fn : counts.tn));
  }
}

std::string csv_row(const data::Case& one, const ImageScore& score, const Picture& picture, Seen seen) {
  const Metrics m = image_metrics(score);
  std::string row = csv_text(one.name) + "," + csv_text(one.class_name);
  for (double value : {m.loss, m.accuracy, m.iou, m.dice, m.precision, m.recall, m.specificity}) {
    char text[40];
    std::snprintf(text, sizeof text, ",%.17g", value);
    row += text;
  }
  const std::int64_t truth = score.counts.tp + score.counts.fn, predicted = score.counts.tp + score.counts.fp;
  row += "," + std::to_string(truth) + "," + std::to_string(predicted);
  for (const std::int64_t pixels : {truth, picture.predicted}) {  // a mask has no lesion in the padding
    char text[40] = ",";
    if (picture.pixel_mm2 > 0)
      std::snprintf(text, sizeof text, ",%.9g", static_cast<double>(pixels) * picture.pixel_mm2);
    row += text;
  }
  return row + "," + name_of(seen) + "\n";
}

void see(const float* logits, const float* truth, const ImageSize& size, report::Marking marking,
         ThresholdChoice& choice) {
  if (marking.min_area == 0 && marking.largest == 0) {
    choice.see(logits, truth, static_cast<std::size_t>(size.pixels()));
    return;
  }
  choice.see([&](double threshold) {
    marking.threshold = threshold;
    ImageScore score;
    count(mask_of(logits, size.width, size.height, marking), truth, score.counts);
    return image_metrics(score).iou;
  });
}

/// One checkpoint evaluated.
struct Evaluation {
  std::string checkpoint;
  std::string weights, assumed, stated;  ///< choose_weights(), assumptions() and what marking_for() took of it
  report::Marking marking;
  data::Dataset dataset;
  Subset subset = Subset::val;
  std::vector<std::size_t> cases;
  std::size_t missing = 0;        ///< recorded cases of the subset that are not in the dataset
  std::string note;               ///< what is special about the cases
  std::vector<Seen> seen;         ///< of each case
  bool listed = false;            ///< the checkpoint has a case list
  bool recorded = false;          ///< the cases are those that it records for the subset
  std::vector<Picture> pictures;  ///< of each case
  TrainConfig config;
  ImageReports images;
  SetReport overall;
  std::map<std::string, SetReport> by_class;
  std::optional<SetReport> lesions;  ///< of the images with a lesion; none if all or none of them have one
  std::optional<ThresholdChoice::Best> chosen;
};

/// Places 0, 1, ... of the cases, in the order in which batches are pooled: that of a list where one was given.
std::vector<std::size_t> pooling_order(const Evaluation& evaluation) {
  const TrainConfig& config = evaluation.config;
  const Subset subset = evaluation.subset;
  const std::string& list = subset == Subset::val    ? config.val_list
                            : subset == Subset::test ? config.test_list
                                                     : config.train_list;
  std::vector<std::size_t> order(evaluation.cases.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (list.empty() || subset == Subset::all) return order;
  const std::vector<std::size_t> cases = data::list_order(evaluation.dataset, list);
  for (std::size_t i = 0; i < order.size(); ++i) {  // both hold the same cases, evaluation.cases sorted
    const auto place = std::lower_bound(evaluation.cases.begin(), evaluation.cases.end(), cases[i]);
    order[i] = static_cast<std::size_t>(place - evaluation.cases.begin());
  }
  return order;
}

/// Places of the cases by near-duplicates; a case without one is a group.
std::vector<std::vector<std::size_t>> duplicate_groups(const std::vector<std::size_t>& cases,
                                                       data::Fingerprints& prints) {
  auto groups = data::near_duplicate_groups(prints.thumbnails(cases), data::near_duplicate_threshold);
  std::vector<bool> grouped(cases.size(), false);
  for (const auto& group : groups)
    for (const std::size_t place : group) grouped[place] = true;
  for (std::size_t place = 0; place < grouped.size(); ++place)
    if (!grouped[place]) groups.push_back({place});
  return groups;
}

void report_sets(Evaluation& evaluation, const EvaluateOptions& options, data::Fingerprints& prints) {
  std::vector<std::size_t> all(evaluation.cases.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::map<std::string, std::vector<std::size_t>> classes;
  for (const std::size_t place : all)
    classes[evaluation.dataset.cases[evaluation.cases[place]].class_name].push_back(place);
  const auto order = pooling_order(evaluation);
  const auto groups = duplicate_groups(evaluation.cases, prints);
  const auto report = [&](const std::vector<std::size_t>& places) {
    return set_report(evaluation.images, places, order, groups, options.pool_batch, evaluation.config.seed);
  };
  evaluation.overall = report(all);
  for (const auto& [name, places] : classes)
    if (!name.empty()) evaluation.by_class[name] = report(places);
  std::vector<std::size_t> lesions;
  for (const std::size_t place : all) {
    const PixelCounts& counts = evaluation.images.scores[place].counts;
    if (counts.tp + counts.fn > 0) lesions.push_back(place);
  }
  if (!lesions.empty() && lesions.size() < all.size()) evaluation.lesions = report(lesions);
}

/// Whether the command line chooses cases, so that those of the checkpoint are not asked for.
bool chooses_cases(const std::set<std::string>& given) {
  for (const char* option :
       {"classes", "split", "folds", "fold", "train-list", "val-list", "test-list", "test-part", "seed"})
    if (given.count(option) != 0) return true;
  return false;
}

/// The recorded cases of the subset that are in the dataset; all of the dataset if it holds none of the checkpoint's.
void choose_recorded(Evaluation& evaluation, const CaseList& list, std::optional<data::Fingerprints>& prints,
                     bool ensemble) {
  PresentCases present;
  const auto look = [&] {
    evaluation.dataset = find_dataset(evaluation.config);
    prints.emplace(evaluation.dataset);
    present = present_cases(list, evaluation.dataset, *prints);
    return present.others < evaluation.dataset.cases.size();
  };
  bool found = false;
  if (!evaluation.config.classes.empty()) try {
      found = look();
    } catch (const Error&) {  // such as a class that is not there: all classes will tell
    }
  if (!found) {
    evaluation.config.classes.clear();
    found = look();
  }
  const std::string cases_here = std::to_string(evaluation.dataset.cases.size()) + " cases";
  if (!found) {
    evaluation.subset = Subset::all;
    evaluation.cases = every_case(evaluation.dataset);
    evaluation.note = "none of the checkpoint's cases is there, so all " + cases_here + " are scored";
    return;
  }
  const std::string root = evaluation.dataset.root.string(), subset = name_of(evaluation.subset);
  std::string others = std::to_string(present.others) + " of the " + cases_here + " there are not recorded";
  const std::string how_all = "--split random --subset all scores all " + cases_here;
  PresentCases::Part part = subset_of(present, evaluation.subset);
  const std::string recorded = std::to_string(part.cases.size() + part.missing) + " recorded cases";
  if (part.cases.empty() && part.missing == 0) {
    const std::vector<data::Case>& cases = evaluation.dataset.cases;
    const bool names_test_cases =
        std::any_of(cases.begin(), cases.end(), [](const data::Case& one) { return one.part == data::Part::test; });
    if (evaluation.subset == Subset::test && !names_test_cases && !ensemble)
      throw Error("the checkpoint records no test cases, and " + root + " names none: " + how_all);
    if (evaluation.subset == Subset::test && ensemble)
      throw Error("the checkpoints share no test case: a case counts if one records it and none was trained on it");
    throw Error("the checkpoint records no " + subset + " cases; " +
                (present.others > 0 ? others + ": " : std::string()) + "--split grouped --subset " + subset +
                " scores those that " + root + " names, " + how_all);
  }
  if (part.cases.empty())
    throw Error("none of the " + recorded + " of subset " + subset + " is in " + root + "; " + others + ": " + how_all);
  if (part.missing > 0)
    evaluation.note =
        std::to_string(part.missing) + " of the " + recorded + (part.missing == 1 ? " is" : " are") + " missing";
  if (present.others > 0)
    evaluation.note += (evaluation.note.empty() ? "" : "; ") + others + " and not scored (" + how_all + ")";
  evaluation.cases = std::move(part.cases);
  evaluation.missing = part.missing;
  evaluation.recorded = true;
}

std::string protocol_of(const Evaluation& evaluation) {
  const SeenCounts seen = count_seen(evaluation.seen);
  return protocol_text(evaluation.subset, evaluation.cases.size(), evaluation.recorded,
                       seen.trained + seen.near_duplicates, evaluation.config.patience > 0);
}

/// A threshold that is chosen on images which were trained on says nothing. The recorded validation cases are the
/// checkpoint's own affair.
void require_unseen(const Evaluation& evaluation) {
  const SeenCounts counts = count_seen(evaluation.seen);
  if (evaluation.recorded || counts.trained == 0) return;
  throw Error("--choose-threshold is for images that were not trained on, and " + std::to_string(counts.trained) +
              " of these " + std::to_string(counts.images) +
              " were; leave out --classes, --split, --folds, --test-part, --seed and lists, or name other lists");
}

/// predict reads images as the copy says: a threshold that was chosen in another way would not fit. Weights without
/// metadata leave open how their masks are read, and the copy keeps the size that was given.
void require_settings_of_copy(const Checkpoint& checkpoint, const TrainConfig& config) {
  const data::Reading &reading = config.reading, &own = checkpoint.config.reading;
  const bool has_metadata = checkpoint.has_metadata;
  std::string differ;
  for (const auto& [differs, option] :
       {std::pair{has_metadata && !(config.size == checkpoint.config.size), "--size"},
        {has_metadata && reading.keep_aspect != own.keep_aspect, "--keep-aspect"},
        {has_metadata && !(reading.mask_rule == own.mask_rule), "--mask-rule"},
        {reading.files.ignore_orientation != own.files.ignore_orientation, "--ignore-orientation"}})
    if (differs) differ += std::string(differ.empty() ? "" : ", ") + option;
  if (!differ.empty())
    throw UsageError(
        "--choose-threshold chooses with the checkpoint's own settings, which predict will use: leave out " + differ);
}

/// Without a lesion the best threshold is any that marks nothing.
void require_lesions(const Evaluation& evaluation) {
  const std::vector<ImageScore>& scores = evaluation.images.scores;
  if (std::any_of(scores.begin(), scores.end(),
                  [](const ImageScore& score) { return score.counts.tp + score.counts.fn > 0; }))
    return;
  throw Error("--choose-threshold needs lesions, and the masks of all " + std::to_string(scores.size()) +
              " cases are empty; score cases with lesions, or say with --mask-rule what is lesion");
}

void print_head(const Evaluation& evaluation) {
  warn_of_seen(count_seen(evaluation.seen), "scored");
  std::printf("%s, subset %s of %s, %s%s\n", evaluation.checkpoint.c_str(), name_of(evaluation.subset),
              evaluation.dataset.root.c_str(), images_text(evaluation.config).c_str(),
              evaluation.note.empty() ? "" : (": " + evaluation.note).c_str());
  if (!evaluation.weights.empty()) std::printf("With its %s\n", evaluation.weights.c_str());
  if (!evaluation.assumed.empty()) std::printf("The checkpoint has %s\n", evaluation.assumed.c_str());
  if (!evaluation.stated.empty())
    std::printf("Masks by the checkpoint's %s (--raw leaves that out)\n", evaluation.stated.c_str());
  tell_left_out(evaluation.dataset);
}

/// None if a member has none.
std::optional<CaseList> list_of(const Model& model) {
  if (model.checkpoints.size() == 1) return model.checkpoints[0].case_list;
  std::vector<CaseList> lists;
  for (const Checkpoint& member : model.checkpoints) {
    if (!member.case_list) return std::nullopt;
    lists.push_back(*member.case_list);
  }
  return joined_list(lists);
}

std::vector<Seen> seen_by_any(const Model& model, data::Fingerprints& prints, const std::vector<std::size_t>& cases) {
  std::vector<Seen> seen(cases.size(), Seen::no);
  for (const Checkpoint& member : model.checkpoints) {
    const std::vector<Seen> by_member = seen_by(member.case_list, prints, cases);
    for (std::size_t i = 0; i < seen.size(); ++i) seen[i] = worse_of(seen[i], by_member[i]);
  }
  return seen;
}

/// Prints what is scored. Until all files have been read, Ctrl-C ends the program at once. Where interrupted after
/// that, fewer images than cases and no reports.
/// Of one checkpoint, or of those of an ensemble.
Evaluation evaluate(const std::vector<std::string>& paths, const EvaluateOptions& options,
                    const std::set<std::string>& given) {
  const auto asked = [&](const char* name, auto value) {
    return given.count(name) != 0 ? std::optional(value) : std::nullopt;
  };
  const NetworkConfig& network_asked = options.config.network;
  Model model{{}, options.tta};
  if (paths.size() > 1)
    model.checkpoints = load_ensemble(paths);
  else
    model.checkpoints.push_back(
        load_checkpoint(paths[0], asked("variant", network_asked.variant), asked("base", network_asked.base)));
  Checkpoint& checkpoint = model.checkpoints[0];
  Evaluation evaluation;
  for (const std::string& path : paths) evaluation.checkpoint += (evaluation.checkpoint.empty() ? "" : " + ") + path;
  evaluation.weights = choose_weights(model.checkpoints, options.weights, paths);
  evaluation.subset = options.subset;
  const std::optional<CaseList> list = list_of(model);
  evaluation.listed = list.has_value();
  evaluation.config = merged_config(checkpoint, paths[0], options.config, given);
  if (!options.choose_threshold.empty()) require_settings_of_copy(checkpoint, evaluation.config);
  evaluation.assumed = assumptions(checkpoint, evaluation.config.size);
  // A threshold is chosen as if the checkpoint had none yet; of the mean of an ensemble no member states one.
  MarkingOptions marking = options.marking;
  marking.raw = marking.raw || paths.size() > 1;
  std::set<std::string> fixed = given;
  if (!options.choose_threshold.empty()) fixed.insert("threshold");
  evaluation.marking = marking_for(checkpoint, marking, fixed, evaluation.stated);
  scale_area(evaluation.marking, evaluation.config.size);
  std::optional<data::Fingerprints> prints;
  if (list && !chooses_cases(given)) {
    choose_recorded(evaluation, *list, prints, paths.size() > 1);
  } else {
    evaluation.dataset = find_dataset(evaluation.config);
    if (!checkpoint.has_metadata) take_own_split(evaluation.dataset, given, evaluation.config);
    prints.emplace(evaluation.dataset);
    evaluation.cases = subset_of(evaluation.dataset, options.subset, evaluation.config, *prints);
    evaluation.recorded =
        list && subset_of(present_cases(*list, evaluation.dataset, *prints), options.subset).cases == evaluation.cases;
  }
  keep_dataset(outputs_of(options), evaluation.dataset);
  evaluation.seen = seen_by_any(model, *prints, evaluation.cases);
  if (!options.choose_threshold.empty()) require_unseen(evaluation);
  print_head(evaluation);
  const data::Survey survey = check_files(evaluation.dataset, evaluation.cases, evaluation.config);
  std::printf("%s\n", data::layout_line(evaluation.dataset).c_str());
  std::printf("protocol: %s\n", protocol_of(evaluation).c_str());
  find_intensity_range(evaluation.dataset, evaluation.config, survey, evaluation.cases);
  warn_beyond_range(evaluation.config, survey, evaluation.cases);
  for (const std::size_t one : evaluation.cases) {
    evaluation.pictures.push_back(picture_of(survey.extents[one], evaluation.config));
  }
  catch_interrupts();
  ImageReports& images = evaluation.images;
  ThresholdChoice choice;
  std::vector<PixelCounts> counts(evaluation.cases.size());
  images.scores = scores_of(model, evaluation.config, evaluation.dataset, evaluation.cases,
                            [&](std::size_t place, const float* logits, const float* truth) {
                              const ImageSize size = evaluation.config.size;
                              const data::Grey mask = mask_of(logits, size.width, size.height, evaluation.marking);
                              images.see(logits, mask.pixels, truth, size);
                              count(mask, truth, counts[place]);
                              Picture& picture = evaluation.pictures[place];
                              picture.predicted = count_marked(mask, picture.region);
                              if (!options.choose_threshold.empty())
                                see(logits, truth, size, evaluation.marking, choice);
                            });
  if (images.scores.size() < evaluation.cases.size()) return evaluation;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    PixelCounts& own = images.scores[i].counts;
    std::tie(own.tp, own.fp, own.fn, own.tn) = std::tie(counts[i].tp, counts[i].fp, counts[i].fn, counts[i].tn);
  }
  report_sets(evaluation, options, *prints);
  if (!options.choose_threshold.empty()) {
    require_lesions(evaluation);
    evaluation.chosen = choice.best();
    checkpoint.threshold = evaluation.chosen->threshold;
    checkpoint.min_area = evaluation.marking.min_area;
    checkpoint.largest = evaluation.marking.largest;
    if (!checkpoint.has_metadata) {
      checkpoint.config.size = evaluation.config.size;
      checkpoint.config.reading.keep_aspect = evaluation.config.reading.keep_aspect;
    }
    save_checkpoint(options.choose_threshold, checkpoint);
  }
  return evaluation;
}

void print(const Evaluation& evaluation, const EvaluateOptions& options) {
  std::vector<std::pair<std::string, SetReport>> sets(evaluation.by_class.begin(), evaluation.by_class.end());
  if (evaluation.lesions) sets.emplace_back("with a lesion", *evaluation.lesions);
  sets.emplace_back("all", evaluation.overall);
  std::printf("\n");
  print_tables(sets, options.pool_batch);
}

nlohmann::ordered_json to_json(const Evaluation& evaluation, const EvaluateOptions& options) {
  nlohmann::ordered_json per_class = nlohmann::ordered_json::object();
  for (const auto& [name, report] : evaluation.by_class) {
    per_class[name] = {{"cases", report.images}};
    per_class[name].update(to_json(report));
  }
  nlohmann::ordered_json object{
      {"checkpoint", evaluation.checkpoint}, {"subset", name_of(evaluation.subset)},
      {"cases", evaluation.overall.images},  {"missing", evaluation.missing},
      {"size", evaluation.config.size},      {"tta", options.tta},
      {"weights", evaluation.weights},       {"keep_aspect", evaluation.config.reading.keep_aspect}};
  object["protocol"] = protocol_of(evaluation);
  object.update({{"threshold", evaluation.marking.threshold},
                 {"min_area", evaluation.marking.min_area},
                 {"largest", evaluation.marking.largest}});
  object.update(seen_json(count_seen(evaluation.seen), evaluation.listed));
  object.update(
      {{"pool_batch", options.pool_batch}, {"overall", to_json(evaluation.overall)}, {"per_class", per_class}});
  if (evaluation.lesions) {
    object["with_a_lesion"] = {{"cases", evaluation.lesions->images}};
    object["with_a_lesion"].update(to_json(*evaluation.lesions));
  }
  return object;
}

/// Mean and standard deviation (n - 1) of every number over the checkpoints; none where a checkpoint has none.
struct OverCheckpoints {
  std::string name;
  std::optional<double> mean, deviation;
};
std::vector<OverCheckpoints> over_checkpoints(const std::vector<Evaluation>& evaluations) {
  std::vector<OverCheckpoints> result;
  for (const auto& metric : named(evaluations[0].overall)) result.push_back({metric.first, 0.0, 0.0});
  const auto n = static_cast<double>(evaluations.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    std::optional<double>&mean = result[i].mean, &deviation = result[i].deviation;
    for (const Evaluation& one : evaluations) {
      const std::optional<double> value = named(one.overall)[i].second;
      if (mean && value)
        *mean += *value / n;
      else
        mean = std::nullopt;
    }
    if (!mean) deviation = std::nullopt;
    for (const Evaluation& one : evaluations)
      if (mean) *deviation += std::pow(*named(one.overall)[i].second - *mean, 2) / (n - 1);
    if (mean) deviation = std::sqrt(*deviation);
  }
  return result;
}

void print_summary(const std::vector<Evaluation>& evaluations, const std::vector<OverCheckpoints>& over) {
  std::vector<std::string> headings{"checkpoint", "cases"};
  for (const OverCheckpoints& one : over) headings.push_back(one.name);
  Table table(headings);
  const auto cell = [](const std::optional<double>& value) { return value ? fixed(*value, 4) : "-"; };
  for (const Evaluation& one : evaluations) {
    std::vector<std::string> row{one.checkpoint, std::to_string(one.overall.images)};
    for (const auto& metric : named(one.overall)) row.push_back(cell(metric.second));
    table.add(row);
  }
  std::vector<std::string> means{"mean", ""}, deviations{"standard deviation", ""};
  for (const OverCheckpoints& one : over) {
    means.push_back(cell(one.mean));
    deviations.push_back(cell(one.deviation));
  }
  table.add(means);
  table.add(deviations);
  table.print();
}

nlohmann::ordered_json summary_json(const std::vector<Evaluation>& evaluations,
                                    const std::vector<OverCheckpoints>& over, const EvaluateOptions& options) {
  nlohmann::ordered_json object{{"checkpoints", nlohmann::ordered_json::array()}};
  for (const Evaluation& one : evaluations) object["checkpoints"].push_back(to_json(one, options));
  for (const OverCheckpoints& one : over) {
    object["mean"][one.name] = object["standard_deviation"][one.name] = nullptr;
    if (!one.mean) continue;
    object["mean"][one.name] = *one.mean;
    object["standard_deviation"][one.name] = *one.deviation;
  }
  return object;
}

/// Before the work: a file that cannot be written, or one name for two, shows now. Leaves nothing.
void require_writable(const std::vector<std::string>& files) {
  std::list<AtomicFile> all;
  for (const std::string& file : files)
    if (!file.empty()) all.emplace_back(file);
}

/// The file of --choose-threshold may be an earlier one of its kind, but no model of a run.
void require_replaceable(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return;
  const auto was_chosen = [&] {
    try {
      return load_checkpoint(file).threshold.has_value();
    } catch (const Error&) {
      return false;
    }
  };
  if (!was_chosen())
    throw UsageError("--choose-threshold: " + quoted(file) +
                     " is there already, and --choose-threshold did not write " + "it; choose another name");
}

/// False where interrupted.
bool run(const EvaluateOptions& options, const std::set<std::string>& given) {
  require_backend(options.config.backend, options.config.precision, options.config.conv);
  if (options.checkpoints.empty() == options.ensemble.empty())
    throw UsageError("evaluate needs --checkpoint or --ensemble, and not both");
  if (options.ensemble.size() == 1)
    throw UsageError("--ensemble is of two or more checkpoints: use --checkpoint for one");
  for (const char* name : {"variant", "base", "choose-threshold"})
    if (!options.ensemble.empty() && given.count(name) != 0)
      throw UsageError(std::string("--") + name + " is for one --checkpoint and does not go with --ensemble");
  if (!options.choose_threshold.empty() && (options.subset != Subset::val || options.checkpoints.size() > 1))
    throw UsageError("--choose-threshold is for one --checkpoint and --subset val: leave out what differs");
  if (options.checkpoints.size() > 1 && !options.csv.empty())
    throw UsageError("--csv is of one checkpoint: leave it out, or name one --checkpoint");
  if (!options.choose_threshold.empty() && options.tta)
    throw UsageError("--choose-threshold is for what predict does without options: leave out --tta");
  if (!options.choose_threshold.empty() && given.count("threshold") != 0)
    throw UsageError("--choose-threshold chooses the threshold: leave out --threshold");
  if (!options.choose_threshold.empty() && options.weights == Weights::raw)
    throw UsageError("--choose-threshold is for the weights that predict uses: leave out --weights raw");
  std::vector<std::filesystem::path> read{options.checkpoints.begin(), options.checkpoints.end()};
  read.insert(read.end(), options.ensemble.begin(), options.ensemble.end());
  keep_inputs(outputs_of(options), read);
  if (!options.choose_threshold.empty()) require_replaceable(options.choose_threshold);
  require_writable({options.json, options.csv, options.choose_threshold});

  std::vector<Evaluation> evaluations;
  std::vector<std::vector<std::string>> models;
  for (const std::string& path : options.checkpoints) models.push_back({path});
  if (!options.ensemble.empty()) models.push_back(options.ensemble);
  for (const std::vector<std::string>& paths : models) {
    if (!evaluations.empty()) std::printf("\n");
    restore_interrupts();
    evaluations.push_back(evaluate(paths, options, given));
    const Evaluation& one = evaluations.back();
    if (one.images.scores.size() < one.cases.size()) return false;
    print(one, options);
    if (one.chosen)
      std::printf("\nthreshold %.2f: mean IoU %.4f, at 0.50 %.4f%s; %s has it, for predict\n", one.chosen->threshold,
                  one.chosen->iou, one.chosen->iou_at_half,
                  one.recorded ? "" : ", of images that are not recorded as the checkpoint's validation cases",
                  options.choose_threshold.c_str());
  }
  nlohmann::ordered_json object;
  if (evaluations.size() == 1) {
    object = to_json(evaluations[0], options);
  } else {
    const std::vector<OverCheckpoints> over = over_checkpoints(evaluations);
    std::printf("\n");
    print_summary(evaluations, over);
    object = summary_json(evaluations, over, options);
  }
  if (!options.json.empty())
    write_file_atomically(options.json, object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  if (!options.csv.empty()) {
    std::string csv =
        "name,class,loss,accuracy,iou,dice,precision,recall,specificity,truth_pixels,predicted_pixels,truth_mm2,"
        "predicted_mm2,seen\n";
    const Evaluation& one = evaluations[0];
    for (std::size_t i = 0; i < one.cases.size(); ++i)
      csv += csv_row(one.dataset.cases[one.cases[i]], one.images.scores[i], one.pictures[i], one.seen[i]);
    write_file_atomically(options.csv, csv);
  }
  return true;
}

}  // namespace

void add_evaluate_command(Command& app, int& exit_code) {
  const auto options = std::make_shared<EvaluateOptions>();
  TrainConfig& config = options->config;
  Command* command =
      app.add_subcommand("evaluate",
                         "Metrics of a checkpoint on the cases that it records, wherever they are now. What is not "
                         "given comes from the checkpoint.");
  command
      ->add_option(
          "--checkpoint", options->checkpoints,
          "the model; several, as of the folds of a cross-validation, give mean and standard deviation too, each "
          "evaluated on its own split")
      ->default_str("");
  command->add_option("--ensemble", options->ensemble, ensemble_help)->default_str("");
  command->add_flag("--tta", options->tta, tta_help);
  add_named_option(*command, options->subset, "which of the recorded cases; all: those of the three others");
  add_backend_option(*command, config.backend);
  add_precision_option(*command, config.precision);
  add_conv_option(*command, config.conv);
  add_network_options(*command, config.network);
  add_size_option(*command, config.size);
  add_keep_aspect_option(*command, config.reading.keep_aspect, keep_aspect_of_checkpoint);
  add_data_options(*command, config);
  add_loss_options(*command, config.loss, "the loss to report");
  add_weights_option(*command, options->weights);
  command->add_option("--seed", config.seed, "of the split")->check(whole_number(0, largest_seed));
  command->add_option("--batch", config.batch, "images at a time")->check(whole_number(1, largest_batch));
  add_threads_option(*command, config.threads);
  command
      ->add_option(
          "--pool-batch", options->pool_batch,
          "images whose pixels are pooled for the batch-pooled scores, in the order of the list, else of the cases")
      ->check(whole_number(1, largest_batch));
  command->add_option("--json", options->json, "file for the metrics of the set and of each class");
  command->add_option("--csv", options->csv, "file for the metrics of every image");
  command->add_option("--choose-threshold", options->choose_threshold,
                      "file for a copy of the checkpoint with the threshold of predict at which the mean IoU of the "
                      "validation cases is highest");
  add_marking_options(*command, options->marking);
  for (const char* name :
       {"--variant", "--base", "--size", "--data", "--mask-rule", "--split", "--loss", "--tversky-fn", "--tversky-fp",
        "--tversky-gamma", "--focal-gamma", "--focal-alpha", "--seed"})
    command->get_option(name)->default_str("");  // the checkpoint's
  command->callback([options, command, &exit_code] {
    if (!run(*options, command->given())) exit_code = 130;
  });
}

}  // namespace attnunet::app
