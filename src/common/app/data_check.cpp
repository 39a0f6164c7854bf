#include "common/app/data_check.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/app/dataset.h"
#include "common/app/inputs_kept.h"
#include "common/app/options.h"
#include "common/core/counted.h"
#include "common/data/check.h"
#include "common/data/file_tree.h"
#include "common/io/atomic_file.h"
#include "common/io/table.h"
#include "common/report/duplicate_sheet.h"
#include "common/train/cases.h"

namespace attnunet::app {
namespace {

using Json = nlohmann::ordered_json;

struct DataCheckOptions {
  TrainConfig config;
  std::string json, html;
};

/// What is counted over the cases.
struct Summary {
  std::map<std::string, std::size_t> cases, tiny, empty, lesions;  // by class
  std::map<std::string, double> lesion_share;                      // by class, summed over its images with a lesion
  std::map<std::string, std::size_t> image_formats, mask_formats;
  std::vector<std::string> several_masks, empty_masks, odd_empty, odd_lesions, tiny_lesions, not_binary, coloured;
  std::map<std::pair<int, int>, std::size_t> sizes;
  std::map<data::MaskReading, std::size_t> mask_readings;  // by the automatic rule
  std::map<std::string, data::ClassLesions> class_lesions;
  int largest = 0;  // value of images of more than 8 bits whose range is not stated
  std::size_t masks = 0;
};

Summary summary_of(const data::CheckResult& result) {
  Summary summary;
  for (std::size_t i = 0; i < result.facts.size(); ++i) {
    const data::Case& one = result.dataset.cases[i];
    const data::CaseFacts& facts = result.facts[i];
    ++summary.cases[one.class_name];
    summary.masks += one.masks.size();
    if (one.masks.size() > 1) summary.several_masks.push_back(one.name);
    if (!facts.readable) continue;
    ++summary.sizes[{facts.width, facts.height}];
    ++summary.image_formats[facts.format];
    for (const std::string& format : facts.mask_formats) ++summary.mask_formats[format];
    if (one.reading.mask_rule == data::MaskRule())
      for (const data::MaskReading reading : facts.mask_readings) ++summary.mask_readings[reading];
    data::ClassLesions& class_lesions = summary.class_lesions[one.class_name];
    ++class_lesions.cases;
    class_lesions.lesions += facts.lesion > 0 ? 1 : 0;
    summary.largest = std::max(summary.largest, facts.largest);
    if (facts.coloured) summary.coloured.push_back(one.name);
    if (!facts.binary_masks) summary.not_binary.push_back(one.name);
    const bool normal = data::is_named_without_lesion(one.class_name);
    if (facts.lesion == 0) {
      ++summary.empty[one.class_name];
      summary.empty_masks.push_back(one.name);
      if (!normal) summary.odd_empty.push_back(one.name);
      continue;
    }
    ++summary.lesions[one.class_name];
    summary.lesion_share[one.class_name] += facts.lesion;
    if (normal) summary.odd_lesions.push_back(one.name);
    if (facts.lesion >= data::tiny_lesion) continue;
    ++summary.tiny[one.class_name];
    summary.tiny_lesions.push_back(one.name);
  }
  return summary;
}

std::size_t grouped_images(const data::CheckResult& result) {
  std::size_t count = 0;
  for (const auto& group : result.groups) count += group.size();
  return count;
}

/// "5: a, b, c, ..."
std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t most = 6;
  std::string text = std::to_string(names.size());
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) text += (i == 0 ? ": " : ", ") + names[i];
  return text + (names.size() > most ? ", ..." : "");
}

std::string listed(const std::map<std::string, std::size_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  return text.empty() ? "-" : text;
}

std::string sizes_text(const std::map<std::pair<int, int>, std::size_t>& sizes) {
  if (sizes.empty()) return "-";
  const auto area = [](const auto& size) { return std::int64_t{size.first.first} * size.first.second; };
  const auto [least, most] =
      std::minmax_element(sizes.begin(), sizes.end(), [&](const auto& a, const auto& b) { return area(a) < area(b); });
  const auto text = [](const auto& size) {
    return std::to_string(size.first.first) + " x " + std::to_string(size.first.second);
  };
  if (sizes.size() == 1) return "all " + text(*least);
  return std::to_string(sizes.size()) + " different, " + text(*least) + " to " + text(*most) + " (by area)";
}

std::vector<std::string> orphans(const data::Dataset& dataset) {
  std::vector<std::string> names;
  for (const auto& path : dataset.orphan_masks) names.push_back(data::path_in_dataset(dataset, path));
  return names;
}

std::string percent(std::size_t part, std::size_t whole) {
  return fixed(100.0 * static_cast<double>(part) / static_cast<double>(whole), 1) + " %";
}

/// Of images `here`, say "validation", by images `others`.
std::string leakage_text(const data::Leakage& leak, const std::string& here, const std::string& others) {
  return std::to_string(leak.twins) + " of " + std::to_string(leak.val) + " " + here + " images (" +
         percent(leak.twins, leak.val) + ") have a twin among " + std::to_string(leak.train) + " " + others +
         " images at correlation > " + fixed(data::near_duplicate_threshold, 2) + ", " + std::to_string(leak.close) +
         " (" + percent(leak.close, leak.val) + ") at > " + fixed(data::close_twin, 2);
}

/// Of the validation cases by the training cases; if there are test cases, of them by both.
struct SplitLeakage {
  data::Leakage val;
  std::optional<data::Leakage> test;
};

void print(const data::CheckResult& result, const Summary& summary, const std::optional<SplitLeakage>& leak) {
  const std::vector<data::Case>& cases = result.dataset.cases;
  warn_of_empty_classes(summary.class_lesions);
  std::printf("%s\n\n", result.dataset.root.c_str());
  // BUSI's layout is the usual one, and does not need a word.
  if (result.dataset.layout != data::Layout::busi) std::printf("%s\n\n", data::layout_line(result.dataset).c_str());
  Table classes({"class", "cases", "with lesion", "mean lesion", "tiny lesion", "empty mask"});
  const auto count = [](const std::map<std::string, std::size_t>& counts, const std::string& name) {
    const auto found = counts.find(name);
    return found == counts.end() ? std::size_t{0} : found->second;
  };
  for (const auto& [name, number] : summary.cases) {
    const std::size_t lesions = count(summary.lesions, name);
    classes.add(
        {name.empty() ? "(none)" : name, std::to_string(number), std::to_string(lesions),
         lesions == 0 ? "-" : fixed(100 * summary.lesion_share.at(name) / static_cast<double>(lesions), 1) + " %",
         std::to_string(count(summary.tiny, name)), std::to_string(count(summary.empty, name))});
  }
  classes.print();

  Table facts({"", ""}, 2);  // whose headings are an empty line

  facts.add({"cases", std::to_string(cases.size())});
  facts.add({"masks", std::to_string(summary.masks)});
  facts.add({"cases with several masks", listed(summary.several_masks)});
  facts.add({"masks without an image", listed(orphans(result.dataset))});
  const std::string left_out = data::left_out_text(result.dataset.left_out);
  if (!left_out.empty()) facts.add({"other files", left_out});
  facts.add({"sizes", sizes_text(summary.sizes)});
  facts.add({"image files", listed(summary.image_formats)});
  facts.add({"mask files", listed(summary.mask_formats)});
  const std::string readings = data::mask_readings_text(summary.mask_readings);
  if (!readings.empty()) facts.add({"masks are read", readings});
  if (summary.largest > 0)
    facts.add({"images of more than 8 bits", "values up to " + std::to_string(summary.largest) + ", which is " +
                                                 std::to_string(data::range_bits(summary.largest)) + " bits"});
  facts.add({"images that are not grey", listed(summary.coloured)});
  facts.add({"masks that are not black and white", listed(summary.not_binary)});
  facts.add({"lesions under 1 % of the image", listed(summary.tiny_lesions)});
  facts.add({"empty masks though not normal", listed(summary.odd_empty)});
  facts.add({"normal images with a lesion", listed(summary.odd_lesions)});
  facts.add({"near-duplicates", counted(result.groups.size(), "group", "groups") + " with " +
                                    std::to_string(grouped_images(result)) + " images, " +
                                    counted(result.pairs.size(), "pair", "pairs")});
  if (leak) facts.add({"leakage of the split", leakage_text(leak->val, "validation", "training")});
  if (leak && leak->test)
    facts.add({"leakage of the test part", leakage_text(*leak->test, "test", "training and validation")});
  facts.print();

  if (!result.conflicts.empty()) {
    std::printf("\nnear-duplicates that contradict each other (class; masks with IoU < %s):\n",
                fixed(data::mask_agreement, 1).c_str());
    Table conflicts({"", "", "kind", "correlation", "mask IoU"}, 3);
    for (const data::Conflict& one : result.conflicts)
      conflicts.add(
          {cases[one.a].name, cases[one.b].name, one.kind, fixed(one.correlation, 4), fixed(one.mask_iou, 3)});
    conflicts.print();
  }
  if (!result.problems.empty()) std::printf("\nproblems:\n");
  for (const std::string& problem : result.problems) std::printf("  %s\n", problem.c_str());
}

Json to_json(const data::CheckResult& result, const Summary& summary, const std::optional<SplitLeakage>& leak) {
  const std::vector<data::Case>& cases = result.dataset.cases;
  Json groups = Json::array(), conflicts = Json::array(), sizes = Json::array();
  for (const auto& group : result.groups) groups.push_back(names_of(result.dataset, group));
  for (const data::Conflict& one : result.conflicts)
    conflicts.push_back({{"a", cases[one.a].name},
                         {"b", cases[one.b].name},
                         {"kind", one.kind},
                         {"correlation", one.correlation},
                         {"mask_iou", one.mask_iou}});
  for (const auto& [size, count] : summary.sizes)
    sizes.push_back({{"width", size.first}, {"height", size.second}, {"cases", count}});
  Json readings = Json::object();
  for (const auto& [reading, count] : summary.mask_readings) readings[data::text_of(reading)] = count;
  Json classes = Json::object(), image_formats = Json::object(), mask_formats = Json::object();
  for (const auto& [name, count] : summary.cases) classes[name] = count;
  for (const auto& [name, count] : summary.image_formats) image_formats[name] = count;
  for (const auto& [name, count] : summary.mask_formats) mask_formats[name] = count;
  Json object{{"cases", cases.size()},
              {"classes", classes},
              {"masks", summary.masks},
              {"orphan_masks", orphans(result.dataset)},
              {"layout", data::layout_title(result.dataset.layout)},
              {"left_out", result.dataset.left_out},
              {"empty_masks", summary.empty_masks},
              {"empty_masks_not_normal", summary.odd_empty},
              {"normal_with_lesion", summary.odd_lesions},
              {"tiny_lesions", summary.tiny_lesions},
              {"several_masks", summary.several_masks},
              {"masks_not_binary", summary.not_binary},
              {"images_not_grey", summary.coloured},
              {"image_formats", image_formats},
              {"mask_formats", mask_formats},
              {"mask_readings", readings},
              {"sizes", sizes},
              {"near_duplicate_groups", groups},
              {"conflicts", conflicts},
              {"problems", result.problems}};
  if (leak)
    object["leakage"] = {{"training_cases", leak->val.train},
                         {"validation_cases", leak->val.val},
                         {"with_twin", leak->val.twins},
                         {"with_twin_0.98", leak->val.close}};
  if (leak && leak->test)
    object["leakage_of_test"] = {{"other_cases", leak->test->train},
                                 {"test_cases", leak->test->val},
                                 {"with_twin", leak->test->twins},
                                 {"with_twin_0.98", leak->test->close}};
  return object;
}

/// Of the split that was asked for. One that cannot be made (a list names unknown cases, an image cannot be read) is a
/// problem among others.
std::optional<SplitLeakage> find_leakage(data::CheckResult& result, TrainConfig config) {
  try {
    const data::Split split = split_of(result.dataset, config);
    SplitLeakage leak{data::leakage(result.pairs, split.train, split.val), std::nullopt};
    if (!split.test.empty()) leak.test = data::leakage(result.pairs, data::all_cases(split), split.test);
    return leak;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& failure) {
    result.problems.push_back("the leakage of the split is not known: " + std::string(failure.what()));
    return std::nullopt;
  }
}

void run(const DataCheckOptions& options, const std::set<std::string>& given) {
  validate(options.config);
  require_dataset(options.config);
  const std::vector<Output> outputs{{"--json", options.json}, {"--html", options.html}};
  keep_inputs(outputs, {options.config.data});
  // Made before the work: a file that cannot be written shows now.
  std::optional<AtomicFile> json_file, html_file;
  if (!options.json.empty()) json_file.emplace(options.json);
  if (!options.html.empty()) html_file.emplace(options.html);

  data::CheckResult result = data::check(options.config.data, options.config.classes, options.config.reading);
  keep_dataset(outputs, result.dataset);
  TrainConfig config = options.config;
  take_own_split(result.dataset, given, config);
  std::optional<SplitLeakage> leak;
  const bool asked =
      given.count("split") + given.count("folds") + given.count("train-list") + given.count("test-part") > 0;
  if (asked || config.split == data::SplitKind::dataset) leak = find_leakage(result, config);
  const Summary summary = summary_of(result);
  print(result, summary, leak);
  if (json_file) {
    json_file->commit(to_json(result, summary, leak).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                      "\n");
  }
  if (html_file) html_file->commit(report::duplicate_sheet(result));
}

}  // namespace

void add_data_check_command(Command& data) {
  const auto options = std::make_shared<DataCheckOptions>();
  Command* command = data.add_subcommand(
      "check",
      "What is odd in a dataset. With --split, --folds, --test-part or lists: how many validation images have a twin "
      "among the training images, and how many test images among all others. Exit code 0 whatever it finds.");
  add_data_options(*command, options->config);
  command->get_option("--split")->default_str("");  // none is looked at if none is given
  command->add_option("--seed", options->config.seed, "of the split")->check(whole_number(0, largest_seed));
  command->add_option("--json", options->json, "file for all findings");
  command->add_option("--html", options->html, "file for a contact sheet of the near-duplicates, to open in a browser");
  command->callback([options, command] { run(*options, command->given()); });
}

}  // namespace attnunet::app
