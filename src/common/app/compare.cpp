#include "common/app/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "common/app/command.h"
#include "common/app/inputs_kept.h"
#include "common/app/seen.h"
#include "common/core/error.h"
#include "common/io/atomic_file.h"
#include "common/io/table.h"
#include "common/report/chart.h"
#include "common/report/html.h"
#include "common/report/report.h"
#include "common/train/checkpoint.h"
#include "common/train/run_folder.h"

namespace attnunet::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using report::escape_html;

constexpr int most_runs = 32;  // as many as charts tell apart

struct Run {
  std::string name;  ///< its folder's, or all of the path where two would be the same
  ordered_json config;
  Index parameters = 0;
  std::vector<EpochRow> rows;
  EpochRow best;                   ///< by validation IoU
  std::optional<SeenCounts> seen;  ///< of its validation images; none if its checkpoint is not there or has no list
};

std::optional<SeenCounts> seen_in(const fs::path& folder) {
  const fs::path last = folder / "last.safetensors";
  const auto list = fs::exists(last) ? load_case_list(last) : std::nullopt;
  return list ? std::optional(count_seen(recorded_seen(list->val))) : std::nullopt;
}

/// Scores of images that a run was trained on do not compare with others.
void warn_of_run(const Run& run) {
  if (run.seen)
    warn_of_seen(*run.seen, "scored", " in " + run.name);
  else
    std::printf(
        "warning: it is not known whether scored images were trained on: no checkpoint with a case list in %s\n",
        run.name.c_str());
}

Run read_run(const std::string& folder) {
  const fs::path path(folder);
  for (const char* name : {"config.json", "metrics.csv"})
    if (!fs::is_regular_file(path / name))
      throw Error(folder + " is not the folder of a run: it has no " + name + "; name folders that `train` wrote");
  Run run;
  std::ifstream file(path / "config.json");
  run.config = ordered_json::parse(file, nullptr, false);
  try {
    NetworkConfig network;
    network.variant = parse<Variant>(run.config.at("variant").get<std::string>());
    network.base = run.config.at("base").get<int>();
    run.parameters = make_architecture(network).parameter_count();
  } catch (const std::exception&) {
    throw Error("cannot read " + (path / "config.json").string() + ": it is not the configuration of a run");
  }
  run.rows = read_metrics(path / "metrics.csv");
  if (run.rows.empty()) throw Error(folder + " has no finished epoch yet: " + (path / "metrics.csv").string());
  if (run.rows[0].epoch != 1)
    throw Error(folder + " begins with epoch " + std::to_string(run.rows[0].epoch) +
                ", as it was resumed without the metrics.csv of its run: only whole runs compare");
  run.best = *std::max_element(run.rows.begin(), run.rows.end(),
                               [](const EpochRow& a, const EpochRow& b) { return a.val.iou < b.val.iou; });
  run.seen = seen_in(path);
  return run;
}

std::vector<Run> read_runs(const std::vector<std::string>& folders) {
  std::vector<Run> runs;
  std::multiset<std::string> names;
  const auto short_name = [](const std::string& folder) {
    const fs::path path = fs::path(folder).lexically_normal();
    return (path.has_filename() ? path : path.parent_path()).filename().string();
  };
  for (const std::string& folder : folders) names.insert(short_name(folder));
  for (const std::string& folder : folders) {
    runs.push_back(read_run(folder));
    runs.back().name = names.count(short_name(folder)) == 1 ? short_name(folder) : folder;
  }
  return runs;
}

/// Of a value of config.json.
std::string text_of(const ordered_json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  if (!value.is_array()) return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  if (value.size() > 3) return std::to_string(value.size()) + " names";
  std::string text;
  for (const auto& one : value) text += (text.empty() ? "" : ", ") + text_of(one);
  return text.empty() ? "-" : text;
}

std::string charts(const std::vector<Run>& runs) {
  std::vector<EpochRow> longest;
  for (const Run& run : runs)
    if (run.rows.size() > longest.size()) longest = run.rows;
  report::LineChart chart;
  for (const EpochRow& row : report::thinned(longest)) chart.x.push_back(row.epoch);

  struct Kind {
    const char *title, *label;
    double Metrics::*metric;
    bool logarithmic, from_zero;
  };
  const Kind kinds[] = {{"IoU", "mean over images", &Metrics::iou, false, true},
                        {"Dice", "mean over images", &Metrics::dice, false, true},
                        {"Loss", "mean", &Metrics::loss, true, false},
                        {"Accuracy", "share of pixels", &Metrics::accuracy, false, false},
                        {"Lesion IoU (pooled)", "all validation pixels", &Metrics::pooled_iou, false, true}};
  const auto cards = [&](const char* set, Metrics EpochRow::*metrics) {
    std::string html = "<div class=\"cards\">\n";
    for (const Kind& kind : kinds) {
      if (kind.metric == &Metrics::pooled_iou && metrics == &EpochRow::train) continue;  // not recorded
      chart.title = std::string(kind.title) + ", " + set;
      chart.y_label = kind.label;
      chart.logarithmic = kind.logarithmic;
      chart.low = kind.from_zero ? std::optional<double>(0) : std::nullopt;
      chart.series.clear();
      for (const Run& run : runs) {
        report::Series series{run.name, {}};
        for (const double epoch : chart.x) {
          const std::size_t at = static_cast<std::size_t>(epoch) - 1;
          series.values.push_back(at < run.rows.size() ? run.rows[at].*metrics.*kind.metric
                                                       : std::numeric_limits<double>::quiet_NaN());
        }
        chart.series.push_back(series);
      }
      html += "<div class=\"card\">" + report::line_chart(chart) + "</div>\n";
    }
    return html + "</div>\n";
  };
  return report::html_section("Validation", cards("validation", &EpochRow::val)) +
         report::html_section("Training", cards("training", &EpochRow::train));
}

std::string results(const std::vector<Run>& runs) {
  std::vector<std::string> headings{"result"};
  for (const Run& run : runs) headings.push_back(escape_html(run.name));
  std::vector<std::vector<std::string>> rows;
  const auto same_option = [&](const char* key) {
    const auto value = [&](const Run& run) { return run.config.value(key, ordered_json()); };
    return std::all_of(runs.begin(), runs.end(), [&](const Run& run) { return value(run) == value(runs.front()); });
  };
  const auto loss_keys = {"loss", "tversky-fn", "tversky-fp", "tversky-gamma", "focal-gamma", "focal-alpha"};
  /// better: 1 where more is better, -1 where less is, 0 where neither; the best is bold where there is a worse one.
  const auto add = [&](const std::string& name, int better, int digits, auto value) {
    std::vector<double> values;
    for (const Run& run : runs) values.push_back(value(run));
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    const double best = better > 0 ? *most : *least;
    const bool different = *least < *most;
    std::vector<std::string> row{name};
    for (const double one : values) {
      const std::string text = digits == 0 ? grouped(static_cast<Index>(one)) : fixed(one, digits);
      row.push_back(different && better != 0 && one == best ? "<b>" + text + "</b>" : text);
    }
    rows.push_back(row);
  };
  const auto metric = [&](const std::string& name, int better, double Metrics::*which) {
    add("validation " + name + ", best epoch", better, 4, [=](const Run& run) { return run.best.val.*which; });
    add("validation " + name + ", last epoch", better, 4, [=](const Run& run) { return run.rows.back().val.*which; });
  };
  add("epochs done", 0, 0, [](const Run& run) { return static_cast<double>(run.rows.size()); });
  add("best epoch (validation IoU)", 0, 0, [](const Run& run) { return static_cast<double>(run.best.epoch); });
  metric("IoU", 1, &Metrics::iou);
  metric("Dice", 1, &Metrics::dice);
  metric("lesion IoU (pooled)", 1, &Metrics::pooled_iou);
  metric("accuracy", 1, &Metrics::accuracy);
  // Two kinds of loss do not compare.
  metric("loss", std::all_of(loss_keys.begin(), loss_keys.end(), same_option) ? -1 : 0, &Metrics::loss);
  metric("Keras mean IoU", 1, &Metrics::keras_mean_iou);
  std::vector<std::string> first{"first epoch with lesion IoU above 0.1"};
  for (const Run& run : runs) {
    const std::size_t at = report::first_above(run.rows);
    first.push_back(at == run.rows.size() ? "none" : std::to_string(run.rows[at].epoch));
  }
  rows.push_back(first);
  const auto add_seen = [&](const std::string& name, std::size_t SeenCounts::*count) {
    std::vector<std::string> row{name};
    for (const Run& run : runs)
      row.push_back(run.seen && run.seen->unknown == 0
                        ? std::to_string((*run.seen).*count) + " of " + std::to_string(run.seen->images)
                        : "unknown");
    rows.push_back(row);
  };
  add_seen("validation images that were trained on", &SeenCounts::trained);
  add_seen("validation images with a near-duplicate trained on", &SeenCounts::near_duplicates);
  add("seconds an epoch, mean", 0, 1, [](const Run& run) {
    double seconds = 0;
    for (const EpochRow& row : run.rows) seconds += row.seconds;
    return seconds / static_cast<double>(run.rows.size());
  });
  add("parameters", 0, 0, [](const Run& run) { return static_cast<double>(run.parameters); });
  return report::html_table(headings, rows);
}

std::string configurations(const std::vector<Run>& runs) {
  std::vector<std::string> headings{"option"};
  for (const Run& run : runs) headings.push_back(escape_html(run.name));
  std::vector<std::string> keys;
  for (const Run& run : runs)
    for (const auto& [key, value] : run.config.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  const std::set<std::string> untold{"host", "started", "out", "quiet", "panels"};
  std::vector<std::vector<std::string>> different, same;
  for (const std::string& key : keys) {
    if (untold.count(key) != 0) continue;
    std::vector<std::string> row{escape_html(key)};
    const auto value = [&](const Run& run) { return run.config.value(key, ordered_json()); };
    for (const Run& run : runs) row.push_back(escape_html(text_of(value(run))));
    const bool equal =
        std::all_of(runs.begin(), runs.end(), [&](const Run& run) { return value(run) == value(runs.front()); });
    (equal ? same : different).push_back(row);
  }
  std::string html = "<h3>Different</h3>\n";
  html += different.empty() ? "<p>Nothing.</p>\n" : report::html_table(headings, different, headings.size(), true);
  return html + "<h3>The same</h3>\n" + report::html_table(headings, same, headings.size());
}

void compare(const std::vector<std::string>& folders, const std::string& out) {
  const std::vector<Run> runs = read_runs(folders);
  for (const std::string& folder : folders) {
    const fs::path run = folder;
    keep_inputs({{"--out", out}},
                {run / "config.json", run / "metrics.csv", run / "last.safetensors", run / "best.safetensors"});
  }
  for (const Run& run : runs) warn_of_run(run);
  std::string body = "<h1>" + std::to_string(runs.size()) + " runs</h1>\n";
  body += report::html_section("Results", results(runs));
  body += charts(runs) + report::html_section("Configurations", configurations(runs));
  write_file_atomically(out, report::html_page("Comparison of runs - attnunet", body, report::chart_script()));

  Table table({"run", "epochs", "best IoU", "in epoch", "last IoU", "last Dice", "last loss"});
  for (const Run& run : runs) {
    const EpochRow& last = run.rows.back();
    table.add({run.name, std::to_string(last.epoch), fixed(run.best.val.iou, 4), std::to_string(run.best.epoch),
               fixed(last.val.iou, 4), fixed(last.val.dice, 4), fixed(last.val.loss, 4)});
  }
  table.print();
  std::printf("written to %s\n", out.c_str());
}

}  // namespace

void add_compare_command(Command& app) {
  struct Options {
    std::vector<std::string> folders;
    std::string out = "compare.html";
  };
  const auto options = std::make_shared<Options>();
  Command* command = app.add_subcommand("compare", "Runs on one page: their curves, results and configurations");
  command->add_option("RUN", options->folders, "folders that train wrote, 2 to 32")
      ->required()
      ->expected(2, most_runs)
      ->default_str("");
  command->add_option("--out", options->out, "the page, complete in one file; replaced where it is there");
  command->callback([options] { compare(options->folders, options->out); });
}

}  // namespace attnunet::app
