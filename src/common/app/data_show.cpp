#include "common/app/data_show.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <system_error>

#include "common/app/dataset.h"
#include "common/app/inputs_kept.h"
#include "common/app/options.h"
#include "common/core/error.h"
#include "common/core/in_parallel.h"
#include "common/core/quoting.h"
#include "common/core/random.h"
#include "common/data/file_tree.h"
#include "common/data/sample.h"
#include "common/io/atomic_file.h"
#include "common/io/counter_bar.h"
#include "common/io/machine.h"
#include "common/io/signals.h"
#include "common/io/table.h"
#include "common/report/contact_sheet.h"
#include "common/report/picture.h"

namespace attnunet::app {
namespace {

namespace fs = std::filesystem;

constexpr int sheet_columns = 8, cases_on_a_sheet = 4;

struct DataShowOptions {
  std::string out, sheet;
  std::vector<std::string> cases;
  int count = 0;                  // 0: all
  std::optional<ImageSize> size;  // their own if absent
  std::uint64_t seed = 0;
  TrainConfig config;  // data, classes
};

/// Indices of the cases asked for, in case order.
std::vector<std::size_t> choose(const data::Dataset& dataset, const DataShowOptions& options, int count) {
  std::set<std::string> missing(options.cases.begin(), options.cases.end());
  const std::set<std::string> asked = missing;
  std::map<std::string, std::vector<std::size_t>> by_class;
  for (std::size_t i = 0; i < dataset.cases.size(); ++i) {
    const data::Case& one = dataset.cases[i];
    if (!asked.empty() && asked.count(one.name) == 0) continue;
    missing.erase(one.name);
    by_class[one.class_name].push_back(i);
  }
  if (!missing.empty())
    throw UsageError("--cases: the dataset " + dataset.root.string() + " has no case " + quoted(*missing.begin()));

  std::vector<std::size_t> chosen;
  std::uint32_t class_number = 0;
  for (auto& [class_name, cases] : by_class) {
    const auto kept = count == 0 ? cases.size() : std::min(cases.size(), static_cast<std::size_t>(count));
    // The first `kept` steps of a shuffle.
    Random random(options.seed, streams::panels, class_number++);
    for (std::size_t i = 0; i < kept && kept < cases.size(); ++i)
      std::swap(cases[i], cases[i + random.below(static_cast<std::uint32_t>(cases.size() - i))]);
    cases.resize(kept);
    std::sort(cases.begin(), cases.end());
    chosen.insert(chosen.end(), cases.begin(), cases.end());
  }
  return chosen;
}

struct Shown {
  data::Rgb picture;
  std::string caption;
};

Shown show(const data::Case& one, const std::optional<ImageSize>& size) {
  const data::Sample sample = size ? data::load(one, *size) : data::load_full(one);
  const data::Grey& mask = sample.mask;
  Shown shown{report::to_rgb(sample.image), one.name};
  report::draw_outline(shown.picture, mask, report::truth_colour, report::outline_thickness(mask.width, mask.height));
  const auto lesion =
      std::count_if(mask.pixels.begin(), mask.pixels.end(), [](std::uint8_t pixel) { return pixel != 0; });
  const double percent = 100.0 * static_cast<double>(lesion) / static_cast<double>(mask.pixels.size());
  shown.caption += "  " + std::to_string(mask.width) + " x " + std::to_string(mask.height) +
                   (lesion == 0 ? ", no lesion" : ", lesion " + fixed(percent, 1) + " %");
  return shown;
}

/// False where interrupted.
bool run(const DataShowOptions& options) {
  if (options.out.empty() && options.sheet.empty())
    throw UsageError("--out DIR for a picture a case or --sheet FILE for all on one is required");
  if (options.config.reading.keep_aspect && !options.size) throw UsageError("--keep-aspect needs --size");
  const data::Dataset dataset = open_dataset(options.config);
  std::printf("%s\n", data::layout_line(dataset).c_str());
  const bool of_sheet_only = options.out.empty() && options.cases.empty();
  const std::vector<std::size_t> cases =
      choose(dataset, options, options.count == 0 && of_sheet_only ? cases_on_a_sheet : options.count);
  const auto picture_path = [&](const data::Case& one) {
    return fs::path(options.out) / one.class_name / (data::in_one_name(one.name) + "_outline.png");
  };
  std::set<std::string> classes;
  for (const std::size_t one : cases) {
    const std::string& class_name = dataset.cases[one].class_name;
    if (options.out.empty() || !classes.insert(class_name).second) continue;
    const fs::path folder = fs::path(options.out) / class_name;
    if (fs::weakly_canonical(fs::absolute(folder)) == fs::weakly_canonical(fs::absolute(dataset.root / class_name)))
      throw UsageError("--out: " + options.out + " is the dataset itself; choose another folder");
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) throw file_error("cannot make the folder", folder, failure.value());
  }
  std::map<fs::path, std::size_t> taken;
  for (const std::size_t one : cases) {
    const fs::path path = picture_path(dataset.cases[one]);
    const auto [first, is_new] = taken.emplace(path, one);
    if (!options.out.empty() && !is_new)
      throw Error(quoted(dataset.cases[first->second].image) + " and " + quoted(dataset.cases[one].image) +
                  " would both become " + quoted(path) + "; rename one of them, or choose --cases");
  }
  keep_dataset({{"--sheet", options.sheet}}, dataset);
  if (!options.sheet.empty()) AtomicFile(options.sheet);  // whether it can be written; leaves nothing

  catch_interrupts();
  CounterBar bar("cases", cases.size());
  const std::size_t at_once = 16 * static_cast<std::size_t>(all_cores());
  std::vector<report::SheetRow> rows;
  for (std::size_t first = 0; first < cases.size() && !interrupted(); first += at_once) {
    std::vector<Shown> shown(std::min(at_once, cases.size() - first));
    in_parallel(shown.size(), all_cores(), [&](std::size_t i) {
      const data::Case& one = dataset.cases[cases[first + i]];
      if (interrupted()) return;
      shown[i] = show(one, options.size);
      if (!options.out.empty()) data::write_png(picture_path(one), shown[i].picture);
    });
    bar.update(first + shown.size());
    if (options.sheet.empty()) continue;
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const std::string& heading = dataset.cases[cases[first + i]].class_name;
      if (rows.empty() || rows.back().heading != heading) rows.push_back({heading, {}});
      rows.back().pictures.push_back({std::move(shown[i].picture), std::move(shown[i].caption)});
    }
  }
  bar.clear();
  if (interrupted()) return false;
  if (!options.sheet.empty()) data::write_png(options.sheet, report::contact_sheet(rows, sheet_columns));
  const std::string both = options.out.empty() || options.sheet.empty() ? "" : " and ";
  std::printf("%zu cases in %s%s%s\n", cases.size(), options.out.c_str(), both.c_str(), options.sheet.c_str());
  return true;
}

}  // namespace

void add_data_show_command(Command& data, int& exit_code) {
  const auto options = std::make_shared<DataShowOptions>();
  Command* command = data.add_subcommand("show", "Images with the outline of their true mask");
  command->add_option("--data", options->config.data, "dataset folder, or CSV file with the columns image and mask");
  add_mask_rule_option(*command, options->config.reading.mask_rule);
  add_orientation_option(*command, options->config.reading.files);
  command->add_option("--out", options->out, "folder for CLASS/NAME_outline.png of every case");
  command->add_option("--sheet", options->sheet, "PNG file with all of them, in rows by class");
  command->add_option("--classes", options->config.classes, "classes to show, separated by commas")->delimiter(',');
  Option* cases = command->add_option("--cases", options->cases, "names of cases, separated by commas");
  cases->delimiter(',');
  command
      ->add_option("--count", options->count,
                   "cases of each class, drawn at random; else all, on a sheet without --out 4")
      ->check(whole_number(1, 1000000))
      ->default_str("")
      ->excludes(cases);
  command->add_option("--seed", options->seed, "of --count")->check(whole_number(0, largest_seed));
  add_other_size_option(*command, options->size, "the images' own");
  add_keep_aspect_option(*command, options->config.reading.keep_aspect);
  command->callback([options, &exit_code] {
    if (!run(*options)) exit_code = 130;
  });
}

}  // namespace attnunet::app
