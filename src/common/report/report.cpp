#include "common/report/report.h"

#include <lodepng.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "common/core/build.h"
#include "common/core/quoting.h"
#include "common/io/table.h"
#include "common/report/html.h"
#include "common/report/layer_rows.h"
#include "common/report/panel.h"

namespace attnunet::report {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t strip_bytes = std::size_t{3} << 20;
constexpr const char* epoch_mark = "<main data-epoch=\"";

std::string duration(double seconds) {
  const long minutes = std::lround(seconds / 60);
  if (seconds < 60) return fixed(seconds, 1) + " s";
  if (minutes < 60) return std::to_string(minutes) + " min";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

std::string fact(const std::string& value, const std::string& what) {
  return "<div><b>" + escape_html(value) + "</b><span>" + escape_html(what) + "</span></div>\n";
}

bool has_lesion(const CaseResult& one) {
  return one.score.counts.tp + one.score.counts.fn > 0;
}

std::string head(const RunReport& report) {
  const EpochRow& last = report.history.back();
  const EpochRow& best = *std::max_element(report.history.begin(), report.history.end(),
                                           [](const EpochRow& a, const EpochRow& b) { return a.val.iou < b.val.iou; });
  double seconds = 0;
  for (const EpochRow& row : report.history) seconds += row.seconds;
  const TrainConfig& config = report.config;
  std::vector<Seen> seen;
  for (const CaseResult& one : report.validation) seen.push_back(one.seen);
  std::string html =
      "<h1>" + escape_html(name_of(config.network.variant)) + ", base " + std::to_string(config.network.base) + ", " +
      images_text(config) + "</h1>\n<p class=\"note\">" + std::to_string(report.train_cases) + " cases for training, " +
      std::to_string(report.validation.size()) + " for validation, from " + escape_html(config.data) + "</p>\n";
  if (!config.protocol.empty()) html += "<p class=\"note\">Protocol: " + escape_html(config.protocol) + ".</p>\n";
  for (const std::string& warning : seen_warnings(count_seen(seen), "validation"))
    html += "<p><b>Warning</b>: " + escape_html(warning) + "</p>\n";
  if (!report.early_end.empty()) html += "<p>This training was " + escape_html(report.early_end) + ".</p>\n";
  html += "<div class=\"facts\">\n";
  html += fact(std::to_string(last.epoch) + " of " + std::to_string(config.epochs), "epochs done");
  html += fact(fixed(last.val.iou, 3), "validation IoU, mean over images");
  html += fact(fixed(best.val.iou, 3), "the best, in epoch " + std::to_string(best.epoch));
  html += fact(fixed(last.val.dice, 3), "validation Dice, mean over images");
  html += fact(fixed(last.val.pooled_iou, 3), "validation lesion IoU, pooled");
  html += fact(duration(seconds),
               "in all, " + duration(seconds / static_cast<double>(report.history.size())) + " an epoch");
  return html + "</div>\n";
}

std::string curves(const RunReport& report) {
  const std::vector<EpochRow> rows = thinned(report.history);
  LineChart chart;
  for (const EpochRow& row : rows) chart.x.push_back(row.epoch);
  const auto of = [&](const char* name, auto value) {
    Series series{name, {}};
    for (const EpochRow& row : rows) series.values.push_back(value(row));
    return series;
  };
  const auto both = [&](const std::string& title, const std::string& label, double Metrics::*metric) {
    LineChart one = chart;
    one.title = title;
    one.y_label = label;
    one.series = {of("training", [&](const EpochRow& row) { return row.train.*metric; }),
                  of("validation", [&](const EpochRow& row) { return row.val.*metric; })};
    return one;
  };
  const auto pooled = [&](double Metrics::*metric) {
    return of("validation, pooled", [&](const EpochRow& row) { return row.val.*metric; });
  };
  LineChart loss = both("Loss", std::string("mean of ") + name_of(report.config.loss.kind), &Metrics::loss);
  loss.logarithmic = true;
  LineChart iou = both("IoU", "IoU", &Metrics::iou);
  LineChart dice = both("Dice", "Dice", &Metrics::dice);
  iou.series.push_back(pooled(&Metrics::pooled_iou));
  dice.series.push_back(pooled(&Metrics::pooled_dice));
  iou.limit = 0.1;
  iou.low = dice.low = 0;
  std::string html = "<div class=\"cards\">\n";
  for (const LineChart& one : {loss, both("Accuracy", "share of pixels", &Metrics::accuracy), iou, dice})
    html += "<div class=\"card\">" + line_chart(one) + "</div>\n";
  html += "</div>\n";

  const std::size_t first = first_above(report.history);
  html += first == report.history.size()
              ? "<p>The lesion IoU of the validation cases has <b>not passed 0.1</b> so far"
              : "<p>The lesion IoU of the validation cases passes 0.1 for the first time in <b>epoch " +
                    std::to_string(report.history[first].epoch) + "</b>";
  html +=
      " (the paper names epochs 6 and 9 for its networks; the dotted line is 0.1). Lesion IoU is the pooled one: "
      "intersection over union of the lesion pixels of all validation images together.</p>\n"
      "<p class=\"note\">Training values are averages over the batches of an epoch, in train mode; validation is "
      "after it, in evaluation mode. IoU and Dice are means over images, where one without lesion and without "
      "prediction counts 1; pooled: "
      "from the pixels of all images together.";
  if (rows.size() < report.history.size())
    html += " The curves show " + std::to_string(rows.size()) + " of " + std::to_string(report.history.size()) +
            " epochs; metrics.csv has all.";
  return html + "<span class=\"screen\"> Values appear under the pointer.</span></p>\n";
}

std::string strip(const PanelStrip& strip, const TrainConfig& config) {
  std::string html;
  if (strip.shown_epochs < strip.epochs)
    html += "<p class=\"note\">" + std::to_string(strip.shown_epochs) + " of " + std::to_string(strip.epochs) +
            " epochs are shown, so that the file stays small.</p>\n";
  for (const PanelStrip::Case& one : strip.cases) {
    html += "<h3>" + escape_html(one.name) + "</h3>\n<div class=\"strip\">\n";
    for (const PanelStrip::Panel& panel : one.panels)
      html += html_image(panel.png, one.name + " after epoch " + std::to_string(panel.epoch)) + "\n";
    html += "</div>\n";
  }
  return html + "<p class=\"note\">The panels at their full size are in " + escape_html(config.out) + "/epochs. " +
         (config.network.gated() ? "Grad-CAM and attention lie over the image, black to yellow as they rise; attention "
                                   "0 is the gate at full resolution.</p>\n"
                                 : "Grad-CAM lies over the image, black to yellow as it rises.</p>\n");
}

std::string cases(const std::vector<CasePicture>& pictures) {
  std::string html = "<div class=\"small cards\">\n";
  for (const CasePicture& one : pictures) {
    const Metrics metrics = image_metrics(one.result.score);
    html += "<div class=\"card\">" +
            html_figure(data::encode_png(one.picture), one.result.name,
                        "<b>" + escape_html(one.result.name) + "</b>" + seen_mark(one.result.seen) + "<br>IoU " +
                            fixed(metrics.iou, 3) + ", Dice " + fixed(metrics.dice, 3)) +
            "</div>\n";
  }
  return html + "</div>\n";
}

/// Bytewise; "" if there are cases without a class.
std::set<std::string> class_names_of(const std::vector<CaseResult>& validation) {
  std::set<std::string> names;
  for (const CaseResult& one : validation) names.insert(one.class_name);
  return names;
}

std::string classes(const std::vector<CaseResult>& validation) {
  std::vector<std::pair<std::string, MetricSums>> groups;
  const auto add = [&](const std::string& name, auto belongs) {
    MetricSums sums;
    for (const CaseResult& one : validation)
      if (belongs(one)) sums.add(one.score);
    if (sums.images() > 0) groups.emplace_back(name, sums);
  };
  for (const std::string& name : class_names_of(validation))
    if (!name.empty()) add(name, [&](const CaseResult& one) { return one.class_name == name; });
  add("with a lesion", has_lesion);
  add("without", [](const CaseResult& one) { return !has_lesion(one); });
  add("all", [](const CaseResult&) { return true; });
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, sums] : groups) {
    const Metrics m = sums.metrics();
    std::vector<std::string> row{escape_html(name), std::to_string(sums.images())};
    for (const double value :
         {m.iou, m.dice, m.pooled_iou, m.pooled_dice, m.accuracy, m.precision, m.recall, m.specificity, m.loss})
      row.push_back(fixed(value, 4));
    rows.push_back(row);
  }
  return html_table({"class", "cases", "IoU", "Dice", "pooled IoU", "pooled Dice", "accuracy", "precision", "recall",
                     "specificity", "loss"},
                    rows);
}

std::string histogram(const std::vector<CaseResult>& validation) {
  constexpr std::size_t bins = 20;
  Histogram chart;
  chart.title = "IoU of the validation images";
  chart.x_label = "IoU";
  chart.y_label = "images";
  for (const std::string& name : class_names_of(validation)) {
    Series series{name.empty() ? "images" : name, std::vector<double>(bins, 0)};
    for (const CaseResult& one : validation) {
      if (one.class_name != name) continue;
      const double iou = image_metrics(one.score).iou;
      ++series.values[std::min(bins - 1, static_cast<std::size_t>(iou * bins))];
    }
    chart.stacked.push_back(series);
  }
  return "<div class=\"card single\">" + histogram_chart(chart) + "</div>\n";
}

std::string layers(const TrainConfig& config) {
  std::vector<std::vector<std::string>> rows;
  for (const LayerInfo& layer : list_layers(config.network, 1, config.size.height, config.size.width)) {
    rows.push_back(layer_row(layer));
    for (std::string& cell : rows.back()) cell = escape_html(cell);
  }
  return "<p>" + grouped(make_architecture(config.network).parameter_count()) +
         " parameters. Shapes are images x height x width x channels, for one image.</p>\n" +
         html_table(layer_headings(), rows, 2);
}

nlohmann::ordered_json options_of(const TrainConfig& config) {
  nlohmann::ordered_json options = nlohmann::ordered_json::parse(config_json(config));
  for (const char* key : {"host", "started"}) options.erase(key);
  return options;
}

std::string configuration(const TrainConfig& config) {
  std::vector<std::vector<std::string>> rows;
  const nlohmann::ordered_json options = options_of(config);
  for (const auto& [key, value] : options.items()) {
    std::string text = value.is_string() ? value.get<std::string>() : value.is_null() ? "by level" : value.dump();
    if (value.is_array()) {
      const bool names = key == "train-cases" || key == "val-cases" || key == "test-cases";
      text = names && !value.empty() ? std::to_string(value.size()) + " names" : "";
      if (!names)
        for (const auto& one : value) text += (text.empty() ? "" : ", ") + one.get<std::string>();
    }
    rows.push_back({escape_html(key), text.empty() ? "-" : escape_html(text)});
  }
  return html_table({"option", "value"}, rows, 2);
}

std::string repetition(const RunReport& report) {
  const TrainConfig& config = report.config;
  std::string html = "<pre>" + escape_html(repeat_command(config)) + "</pre>\n";
  html += std::string("<p>attnunet ") + version + ", seed " + std::to_string(config.seed) +
          "; hash of the names of the training and validation cases: <code>" + escape_html(report.cases_hash) +
          "</code>. The same command gives the same bits, for any number of threads.</p>\n";
  if (!config.train_cases.empty() && config.train_list.empty())
    html += "<p>The run's lists of cases are in last.safetensors; give them as --train-list and --val-list" +
            std::string(config.test_cases.empty() ? "" : ", and --test-list") + ".</p>\n";
  if (!config.resume.empty())
    html += "<p>This run was resumed from " + escape_html(config.resume) +
            ", which gives the bits of a run that is never stopped.</p>\n";
  return html;
}

}  // namespace

std::string run_report(const RunReport& report) {
  const auto swatch = [](Colour colour) {
    std::string rgb;
    for (const std::uint8_t value : colour) rgb += (rgb.empty() ? "" : ",") + std::to_string(value);
    return "<span aria-hidden=\"true\" style=\"color:rgb(" + rgb + ")\">&#9632;</span> ";
  };
  const std::string outlines = "<p class=\"note\">Outlines: " + swatch(truth_colour) + "actual (a line), " +
                               swatch(prediction_colour) + "predicted (dashes).</p>\n";
  std::string body = epoch_mark + std::to_string(report.history.back().epoch) + "\">\n" + head(report);
  body += html_section("Curves", curves(report));
  if (!report.strip.cases.empty()) body += html_section("Epoch by epoch", strip(report.strip, report.config));
  body += html_section("Validation, class by class", classes(report.validation) + histogram(report.validation));
  body += html_section("Best and worst validation cases", outlines + "<h3>Best, of those with a lesion</h3>\n" +
                                                              cases(report.best) + "<h3>Worst</h3>\n" +
                                                              cases(report.worst));
  body += html_section("How to repeat this run", repetition(report));
  body += html_folded("Configuration", configuration(report.config));
  body += html_folded("The network layer by layer", layers(report.config));
  return html_page(name_of(report.config.network.variant) + std::string(" after epoch ") +
                       std::to_string(report.history.back().epoch) + " - attnunet",
                   body + "</main>\n", chart_script());
}

std::string seen_mark(Seen seen) {
  switch (seen) {
    case Seen::trained:
      return ", trained on";
    case Seen::near_duplicate:
      return ", a near-duplicate was trained on";
    case Seen::no:
    case Seen::unknown:
      return "";
  }
  no_such_value(seen);
}

namespace {

/// The panel of a file at half its size; empty if it cannot be read.
std::vector<std::uint8_t> small_panel(const fs::path& file) {
  std::vector<std::uint8_t> pixels;
  unsigned width = 0, height = 0;
  if (lodepng::decode(pixels, width, height, file.string(), LCT_RGB) != 0) return {};
  const data::Rgb panel{static_cast<int>(width), static_cast<int>(height), std::move(pixels)};
  return data::encode_png(height > 200 ? halved(panel) : panel);
}

/// The epochs that `most` of are chosen from: every one, every second, every fourth and so on, up to four times as
/// many, and the last. As epochs come, one is added, or half of them go: which were there before stays.
std::vector<int> candidates(const std::vector<int>& epochs, std::size_t most) {
  std::size_t stride = 1;
  while (epochs.size() / stride > 4 * most) stride *= 2;
  std::vector<int> chosen;
  for (std::size_t i = 0; i < epochs.size(); i += stride) chosen.push_back(epochs[i]);
  if (chosen.back() != epochs.back()) chosen.push_back(epochs.back());
  return chosen;
}

}  // namespace

PanelStrip panel_strip(const RunFolder& folder, int epoch, SmallPanels& known) {
  std::map<std::string, std::map<int, fs::path>> files;  // case, epoch
  std::set<int> epochs;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder.panels(), none)) {
    const std::string file = entry.path().filename().string();
    int of = 0, at = 0;
    if (std::sscanf(file.c_str(), "epoch-%d-%n", &of, &at) != 1 || entry.path().extension() != ".png") continue;
    if (at == 0 || of < 1 || of > epoch) continue;
    files[file.substr(static_cast<std::size_t>(at), file.size() - static_cast<std::size_t>(at) - 4)][of] = entry.path();
    epochs.insert(of);
  }
  PanelStrip strip;
  strip.epochs = epochs.size();
  if (files.empty()) return strip;
  SmallPanels kept;
  const auto small = [&](const fs::path& file) {
    const std::string name = file.filename().string();
    const auto found = known.find(name);
    const auto made = kept.emplace(name, found == known.end() ? small_panel(file) : found->second).first;
    return made->second;
  };
  const std::size_t bytes = std::max<std::size_t>(1, small(files.begin()->second.rbegin()->second).size());
  const std::size_t pictures = std::max<std::size_t>(2, strip_bytes / bytes);
  const std::size_t cases = std::clamp<std::size_t>(pictures / 2, 1, files.size());
  const std::vector<int> all = candidates({epochs.begin(), epochs.end()}, pictures / cases);
  std::set<int> shown;
  const std::size_t most = std::min(all.size(), pictures / cases);
  for (std::size_t i = 0; i < most; ++i) shown.insert(most == 1 ? all.back() : all[i * (all.size() - 1) / (most - 1)]);
  strip.shown_epochs = shown.size();
  for (const auto& [name, of_case] : files) {
    if (strip.cases.size() == cases) break;
    PanelStrip::Case one{name, {}};
    for (const auto& [of, file] : of_case) {
      if (shown.count(of) == 0) continue;
      std::vector<std::uint8_t> png = small(file);
      if (!png.empty()) one.panels.push_back({of, std::move(png)});
    }
    strip.cases.push_back(std::move(one));
    for (const int of : all) {  // not shown now, but perhaps later
      const auto file = of_case.find(of);
      const auto found = file == of_case.end() ? known.end() : known.find(file->second.filename().string());
      if (found != known.end()) kept.insert(*found);
    }
  }
  known = std::move(kept);
  return strip;
}

int reported_epoch(const fs::path& report) {
  std::ifstream file(report, std::ios::binary);
  std::string begin(std::size_t{1} << 15, '\0');
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  const std::size_t at = begin.find(epoch_mark);
  return at == std::string::npos ? 0 : std::atoi(begin.c_str() + at + std::char_traits<char>::length(epoch_mark));
}

std::string repeat_command(const TrainConfig& config) {
  const std::set<std::string> elsewhere{"train-cases", "val-cases", "test-cases",     "protocol", "files", "out",
                                        "resume",      "threads",   "intensity-bits", "quiet",    "panels"};
  std::string command = "attnunet train";
  const nlohmann::ordered_json options = options_of(config);
  for (const auto& [key, value] : options.items()) {
    const bool unused_fold = (key == "folds" || key == "fold") && config.folds == 0;
    const bool unused_part = key == "test-part" && config.test_part == 0;
    const bool unused_split = key == "split" && (config.folds > 0 || !config.train_list.empty());
    if (elsewhere.count(key) != 0 || unused_fold || unused_part || unused_split || value.is_null()) continue;
    std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_array()) {
      text.clear();
      for (const auto& one : value) text += (text.empty() ? "" : ",") + one.get<std::string>();
    }
    if (text.empty() || value == false) continue;
    command += " --" + key + (value.is_boolean() ? "" : " " + shell_word(text));
  }
  return command;
}

std::vector<EpochRow> thinned(const std::vector<EpochRow>& rows, std::size_t most) {
  if (rows.size() <= most) return rows;
  std::vector<EpochRow> kept;
  for (std::size_t i = 0; i < most; ++i) kept.push_back(rows[i * (rows.size() - 1) / (most - 1)]);
  return kept;
}

std::size_t first_above(const std::vector<EpochRow>& rows, double lesion_iou) {
  return static_cast<std::size_t>(
      std::find_if(rows.begin(), rows.end(), [&](const EpochRow& row) { return row.val.pooled_iou > lesion_iou; }) -
      rows.begin());
}

}  // namespace attnunet::report
