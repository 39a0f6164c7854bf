#include "common/report/report.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/core/error.h"
#include "common/report/html.h"
#include "common/report/panel.h"
#include "support/files.h"

namespace attnunet::report {
namespace TEST_FILE {

EpochRow row(int epoch, double value) {
  EpochRow r;
  r.epoch = epoch;
  r.seconds = 2;
  for (Metrics* m : {&r.train, &r.val})
    for (double* one : {&m->loss, &m->accuracy, &m->iou, &m->dice, &m->pooled_iou, &m->pooled_dice}) *one = value;
  return r;
}

CaseResult result(const std::string& name, const std::string& class_name, Index tp, Index fp, Index fn) {
  CaseResult one{name, class_name, {}};
  one.score.loss = 0.25;
  one.score.counts.tp = static_cast<decltype(one.score.counts.tp)>(tp);
  one.score.counts.fp = static_cast<decltype(one.score.counts.fp)>(fp);
  one.score.counts.fn = static_cast<decltype(one.score.counts.fn)>(fn);
  one.score.counts.tn = static_cast<decltype(one.score.counts.tn)>(1000 - tp - fp - fn);
  return one;
}

RunReport small_report() {
  RunReport report;
  report.config.network.variant = Variant::attention3;
  report.config.network.base = 2;
  report.config.size = 32;
  report.config.data = "data/BUSI";
  report.cases_hash = "0123456789abcdef";
  report.train_cases = 12;
  report.history = {row(1, 0.05), row(2, 0.1), row(3, 0.25)};
  report.validation = {result("benign (1)", "benign", 90, 5, 5), result("malignant (2)", "malignant", 0, 0, 100),
                       result("normal (3)", "normal", 0, 0, 0)};
  report.best = {{report.validation[0], blank(32, 32)}};
  report.worst = {{report.validation[1], blank(32, 32)}};
  return report;
}

bool has(const std::string& page, const std::string& part) {
  return page.find(part) != std::string::npos;
}
Index count(const std::string& page, const std::string& part) {
  Index found = 0;
  for (std::size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
  return found;
}

TEST(Report, SizeThatIsNoSquare) {
  RunReport report = small_report();
  report.config.size = {24, 40};
  const std::string page = run_report(report);
  for (const char* part : {"24 x 40 (height x width)</h1>", "1 x 24 x 40 x 2", "--size 24x40"})
    EXPECT_TRUE(has(page, part)) << part;
  report.config.reading.keep_aspect = true;
  const std::string kept = run_report(report);
  for (const char* part : {"24 x 40 (height x width), keep-aspect</h1>", " --keep-aspect"})
    EXPECT_TRUE(has(kept, part)) << part;
  EXPECT_FALSE(has(page, "--keep-aspect"));
}

TEST(Report, TellsWhatTheRunDid) {
  const std::string page = run_report(small_report());
  EXPECT_TRUE(has(page, "passes 0.1 for the first time in <b>epoch 3</b>"));  // 0.1 itself does not pass
  EXPECT_TRUE(has(page, "<td class=\"l\">malignant</td><td>1</td><td>0.0000</td>"));
  EXPECT_TRUE(has(page, "<td class=\"l\">with a lesion</td><td>2</td><td>0.4500</td>"));
  EXPECT_TRUE(has(page, "<td class=\"l\">without</td><td>1</td><td>1.0000</td>"));
  EXPECT_TRUE(has(page, "0123456789abcdef"));
  EXPECT_TRUE(has(page, "decoder.0.gate.psi"));
  EXPECT_TRUE(has(page, "encoder.0.conv1"));
  EXPECT_TRUE(has(page, repeat_command(small_report().config)));
  EXPECT_EQ(count(page, "<img"), 2);
  EXPECT_FALSE(has(page, "Protocol: "));
  RunReport with_protocol = small_report();
  with_protocol.config.protocol = "3 cases train & 2 test";
  EXPECT_TRUE(has(run_report(with_protocol), "Protocol: 3 cases train &amp; 2 test."));
  EXPECT_FALSE(has(repeat_command(with_protocol.config), "--protocol"));
  EXPECT_EQ(count(page, "class=\"chart\""), 5);
  for (const char* outside : {"http:", "https:", "src=\"/", "url(h"}) EXPECT_FALSE(has(page, outside)) << outside;

  RunReport early = small_report();
  early.history.resize(2);
  EXPECT_TRUE(has(run_report(early), "not passed 0.1"));
  EXPECT_FALSE(has(run_report(early), "--patience 5 after"));
  early.early_end = "ended by --patience 5 after epoch 7 of 9";
  EXPECT_TRUE(has(run_report(early), "This training was ended by --patience 5 after epoch 7 of 9.</p>"));
}

TEST(Report, OddNamesAreText) {
  RunReport report = small_report();
  report.config.data = "</main><script>alert(1)</script>";
  report.validation[0].name = report.best[0].result.name = "<b onload=\"x\">&\xFF";
  report.config.train_cases = report.config.val_cases = {"<i>"};
  report.strip.cases = {{"<u>", {{1, {1, 2, 3}}}}};
  const std::string page = run_report(report);
  EXPECT_EQ(count(page, "<script"), 1);
  for (const char* tag : {"<b onload", "<i>", "<u>", "\xFF"}) EXPECT_FALSE(has(page, tag)) << tag;
}

TEST(Report, LongRunsStaySmall) {
  RunReport report = small_report();
  report.history.clear();
  for (int epoch = 1; epoch <= 20000; ++epoch) report.history.push_back(row(epoch, 0.123456789 / epoch));
  report.config.train_cases.assign(20000, "benign (1)");
  report.config.train_list = report.config.val_list = "list";
  const std::string page = run_report(report);
  EXPECT_LT(page.size(), std::size_t{1} << 20);
  EXPECT_TRUE(has(page, "1000 of 20000 epochs"));
}

TEST(Report, ThinnedKeepsTheEnds) {
  std::vector<EpochRow> rows;
  for (int epoch = 1; epoch <= 101; ++epoch) rows.push_back(row(epoch, 0));
  const auto kept = thinned(rows, 11);
  ASSERT_EQ(kept.size(), 11u);
  for (int i = 0; i <= 10; ++i) EXPECT_EQ(kept[static_cast<std::size_t>(i)].epoch, 1 + 10 * i);
  EXPECT_EQ(thinned(rows, 101).size(), 101u);
}

TEST(Report, CommandRepeatsTheConfiguration) {
  TrainConfig config;
  config.network.variant = Variant::attention3;
  config.network.dropout = 0.25;
  config.lr = 0.00025;
  config.data = "it's here";
  config.no_shuffle = true;
  config.classes = {"benign", "malignant"};
  config.quiet = true;
  config.panels = 7;
  const std::string command = repeat_command(config);
  for (const char* part : {"attnunet train --variant attention3", "--dropout 0.25", "--lr 0.00025", "--no-shuffle",
                           "--data 'it'\\''s here'", "--classes benign,malignant", "--split grouped"})
    EXPECT_TRUE(has(command, part)) << part << " is not in " << command;
  for (const char* part : {"--folds", "--quiet", "--panels", "--train-cases", "null", "--threads"})
    EXPECT_FALSE(has(command, part)) << part << " is in " << command;
  EXPECT_FALSE(has(command, "--tversky-fn"));
  config.loss = LossKind::tversky;
  EXPECT_TRUE(has(repeat_command(config), "--loss tversky"));
  EXPECT_TRUE(has(repeat_command(config), "--tversky-fn 0.7 --tversky-fp 0.3 --tversky-gamma 0.75"));
  EXPECT_FALSE(has(repeat_command(config), "--focal"));
  config.folds = 5;
  EXPECT_TRUE(has(repeat_command(config), "--folds 5 --fold 0"));
  EXPECT_FALSE(has(repeat_command(config), "--split"));
  EXPECT_FALSE(has(repeat_command(config), "--test"));
  config.test_part = 0.2;
  EXPECT_TRUE(has(repeat_command(config), "--test-part 0.2"));
  config.test_cases = {"benign (1)"};
  EXPECT_FALSE(has(repeat_command(config), "--test-cases"));
}

class ReportFolder : public ::testing::Test {
 protected:
  ReportFolder() : run(RunFolder::create(config())) { std::filesystem::create_directories(run.panels()); }
  TrainConfig config() {
    TrainConfig here;
    here.out = (folder / "run").string();
    return here;
  }
  TemporaryFolder folder;
  RunFolder run;
};

TEST_F(ReportFolder, KnowsItsEpoch) {
  EXPECT_EQ(reported_epoch(run.report()), 0);
  write_text(run.report(), run_report(small_report()));
  EXPECT_EQ(reported_epoch(run.report()), 3);
  write_text(run.report(), "something else");
  EXPECT_EQ(reported_epoch(run.report()), 0);
}

// Noise does not compress: a small panel of 300 kB.
TEST_F(ReportFolder, StripIsThinnedOut) {
  data::Rgb noise = blank(500, 200);
  std::uint32_t state = 1;
  for (std::uint8_t& value : noise.pixels)
    value = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  for (int epoch = 1; epoch <= 15; ++epoch) data::write_png(run.panel(epoch, "a"), noise);
  write_text(run.panels() / "epoch-004-a.png", "damaged");
  write_text(run.panels() / "notes.txt", "not a panel");
  SmallPanels known;
  const PanelStrip strip = panel_strip(run, 14, known);  // those after it belong to no epoch of the report
  EXPECT_EQ(strip.epochs, 14u);
  ASSERT_EQ(strip.cases.size(), 1u);
  EXPECT_EQ(strip.cases[0].name, "a");
  const auto& panels = strip.cases[0].panels;
  ASSERT_EQ(strip.shown_epochs, 10u);
  EXPECT_EQ(panels.front().epoch, 1);
  EXPECT_EQ(panels.back().epoch, 14);
  std::size_t bytes = 0;
  for (const auto& panel : panels) bytes += panel.png.size();
  EXPECT_LT(bytes, std::size_t{3} << 20);
  EXPECT_GE(panels.size(), 9u);
}

// Panels of earlier epochs are not read again: here they are gone, and all stay in the strip. How many are kept in
// memory has a limit.
TEST_F(ReportFolder, StripReadsEachPanelOnce) {
  SmallPanels known;
  const auto strip_after = [&](int epoch) {
    data::write_png(run.panel(epoch, "a"), blank(400, 150));
    const PanelStrip strip = panel_strip(run, epoch, known);
    write_text(run.panel(epoch, "a"), "no longer a picture");
    return strip;
  };
  for (int epoch = 1; epoch <= 6; ++epoch) EXPECT_EQ(strip_after(epoch).shown_epochs, static_cast<std::size_t>(epoch));
  const PanelStrip strip = strip_after(7);
  ASSERT_EQ(strip.cases.size(), 1u);
  ASSERT_EQ(strip.cases[0].panels.size(), 7u);
  for (const auto& panel : strip.cases[0].panels) EXPECT_EQ(panel.png, data::encode_png(blank(400, 150)));

  data::Rgb noise = blank(1000, 200);  // 600 kB: five are shown
  std::uint32_t state = 1;
  for (std::uint8_t& value : noise.pixels)
    value = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  data::write_png(run.panel(8, "a"), noise);
  for (int epoch = 8; epoch <= 30; ++epoch) {
    if (epoch > 8) std::filesystem::copy_file(run.panel(8, "a"), run.panel(epoch, "a"));
    const PanelStrip later = panel_strip(run, epoch, known);
    EXPECT_EQ(later.shown_epochs, 5u);
    EXPECT_EQ(later.cases[0].panels.back().epoch, epoch);
    EXPECT_EQ(later.cases[0].panels.front().epoch, 1);
    EXPECT_LE(known.size(), 4u * 5 + 1);
  }
}

TEST_F(ReportFolder, StripOfManyCases) {
  for (const char* name : {"a", "b-1", "c"})
    for (int epoch : {1, 2, 1000}) data::write_png(run.panel(epoch, name), blank(600, 300));
  SmallPanels known, none;
  const PanelStrip strip = panel_strip(run, 1000, known);
  ASSERT_EQ(strip.cases.size(), 3u);
  EXPECT_EQ(strip.cases[1].name, "b-1");
  for (const auto& one : strip.cases) {
    ASSERT_EQ(one.panels.size(), 3u);
    EXPECT_EQ(one.panels[2].epoch, 1000);
    EXPECT_EQ(one.panels[2].png, data::encode_png(halved(blank(600, 300))));
  }
  EXPECT_TRUE(panel_strip(RunFolder::create([&] {
                            TrainConfig other = config();
                            other.out = (folder / "other").string();
                            return other;
                          }()),
                          5, none)
                  .cases.empty());
}

TEST_F(ReportFolder, MetricsAreReadBack) {
  run.begin(initial_checkpoint(config()));
  for (int epoch = 1; epoch <= 3; ++epoch) run.append(row(epoch, 1.0 / (epoch + 2)));
  const std::vector<EpochRow> rows = read_metrics(run.csv());
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[1].epoch, 2);
  EXPECT_EQ(rows[1].val.pooled_iou, 0.25);
  EXPECT_EQ(rows[2].train.loss, 0.2);
  write_text(run.csv(), read_text(run.csv()) + "4,0.1,x\n");
  EXPECT_NE(message_of<Error>([&] { read_metrics(run.csv()); }).find("metrics.csv"), std::string::npos);
  EXPECT_NE(message_of<Error>([&] { read_metrics(folder / "none"); }).find("none"), std::string::npos);
}

}  // namespace TEST_FILE
}  // namespace attnunet::report
