// attnunet evaluate beyond the means, through the program. (The means: tests/train_command_test.cpp.)
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

using Json = nlohmann::json;

struct Row {
  std::string name, class_name;
  double iou = 0, accuracy = 0, recall = 0, truth = 0, predicted = 0, pixels = 32 * 32;
  double both() const { return recall * truth; }
};

/// The rows of evaluate --csv.
std::vector<Row> read_rows(const std::string& path) {
  std::istringstream lines(read_text(path));
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line,
            "name,class,loss,accuracy,iou,dice,precision,recall,specificity,truth_pixels,predicted_pixels,truth_mm2,"
            "predicted_mm2,seen");
  std::vector<Row> rows;
  while (std::getline(lines, line)) {
    std::vector<std::string> cells;
    std::istringstream words(line);
    for (std::string cell; std::getline(words, cell, ',');) cells.push_back(cell);
    EXPECT_EQ(cells.size(), 14u);
    rows.push_back({cells[0], cells[1], std::stod(cells[4]), std::stod(cells[3]), std::stod(cells[7]),
                    std::stod(cells[9]), std::stod(cells[10])});
  }
  return rows;
}

/// IoU of the pixels of some rows together, from what the CSV says of each.
double pooled_iou(const std::vector<Row>& rows) {
  double both = 0, either = 0;
  for (const Row& row : rows) {
    both += row.both();
    either += row.truth + row.predicted - row.both();
  }
  return either == 0 ? 1 : both / either;
}

class EvaluateCommand : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    phantoms = new PhantomFolder;
    for (const std::string fold : {"0", "1"})
      expect_success(attnunet_run(phantoms->train(*phantoms / fold, {"--folds", "2", "--fold", fold, "--lr", "3e-2"})));
  }
  static void TearDownTestSuite() { delete phantoms; }

  static std::string checkpoint(const std::string& fold) { return *phantoms / fold + "/last.safetensors"; }
  static Json evaluate(const std::vector<std::string>& more) {
    const std::string json = *phantoms / "metrics.json";
    std::vector<std::string> arguments = {"evaluate", "--threads", "1", "--json", json};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    out = finished.out;
    return read_json(json);
  }

  static PhantomFolder* phantoms;
  static std::string out;
};
PhantomFolder* EvaluateCommand::phantoms = nullptr;
std::string EvaluateCommand::out;

TEST_F(EvaluateCommand, OneCheckpointKeepsItsJson) {
  const Json found = evaluate({"--checkpoint", checkpoint("0"), "--subset", "all"});
  for (const char* key : {"checkpoint", "subset", "cases", "overall", "per_class"}) EXPECT_TRUE(found.contains(key));
  EXPECT_EQ(found["cases"], 20);
  EXPECT_EQ(found["pool_batch"], 8);
  std::vector<Json> sets(found["per_class"].begin(), found["per_class"].end());
  EXPECT_EQ(sets.size(), 3u);
  sets.push_back(found["overall"]);
  for (const Json& set : sets) {
    for (const char* key : {"iou", "dice", "pooled_iou", "pooled_dice"}) {
      const double low = set["intervals"][key][0], high = set["intervals"][key][1], value = set[key];
      EXPECT_LE(low, high) << key;
      EXPECT_LE(low, value) << key;
      EXPECT_GE(high, value) << key;
    }
    std::int64_t pixels = 0;
    for (const Json& bin : set["calibration"]) pixels += bin["pixels"].get<std::int64_t>();
    EXPECT_EQ(set["calibration"].size(), 15u);
    EXPECT_EQ(pixels, set.value("cases", 20) * 32 * 32);
  }
  // No normal image has a truth to be far from.
  EXPECT_EQ(found["per_class"]["normal"]["hd95"], nullptr);
  EXPECT_EQ(found["per_class"]["normal"]["hd95_images"], 0);
  for (const char* text : {"95 % intervals", "batches of 8: IoU", "HD95 px", "ECE"})
    EXPECT_NE(out.find(text), std::string::npos) << out;
}

TEST_F(EvaluateCommand, NumbersFollowFromTheImages) {
  const std::string csv = *phantoms / "images.csv";
  const Json found = evaluate({"--checkpoint", checkpoint("0"), "--subset", "all", "--csv", csv, "--pool-batch", "3"});
  const std::vector<Row> rows = read_rows(csv);
  ASSERT_EQ(rows.size(), 20u);
  double batches = 0;
  for (std::size_t first = 0; first < rows.size(); first += 3) {
    const std::size_t last = std::min(first + 3, rows.size());
    batches += static_cast<double>(last - first) *
               pooled_iou({rows.begin() + static_cast<std::ptrdiff_t>(first),
                           rows.begin() + static_cast<std::ptrdiff_t>(last)}) /
               20;
  }
  const Json& overall = found["overall"];
  EXPECT_NEAR(overall["batch_pooled_iou"].get<double>(), batches, 1e-9);
  EXPECT_NEAR(overall["pooled_iou"].get<double>(), pooled_iou(rows), 1e-9);
  int both = 0;
  for (const Row& row : rows) both += row.truth > 0 && row.predicted > 0;
  EXPECT_GT(both, 0) << "nothing was predicted: the test shows nothing";
  EXPECT_EQ(overall["hd95_images"], both);
  EXPECT_GT(overall["hd95"].get<double>(), 0);
  EXPECT_LT(overall["hd95"].get<double>(), std::hypot(31, 31));
  // Bins above the middle, of 15 the upper 7, hold predicted pixels alone.
  double high = 0, lesion = 0, predicted = 0, truth = 0;
  for (std::size_t m = 0; m < 15; ++m) {
    const Json& bin = overall["calibration"][m];
    if (bin["pixels"] == 0) continue;
    if (m > 7) high += bin["pixels"].get<double>();
    lesion += bin["pixels"].get<double>() * bin["lesion"].get<double>();
  }
  for (const Row& row : rows) {
    predicted += row.predicted;
    truth += row.truth;
  }
  EXPECT_LE(high, predicted);
  EXPECT_NEAR(lesion, truth, 1e-6);
  const Json one = evaluate({"--checkpoint", checkpoint("0"), "--subset", "all", "--pool-batch", "20"});
  EXPECT_NEAR(one["overall"]["batch_pooled_iou"].get<double>(), overall["pooled_iou"].get<double>(), 1e-12);
}

// Batches are of the list's order, not of the cases'.
TEST_F(EvaluateCommand, PoolsInTheOrderOfTheList) {
  const std::string csv = *phantoms / "list.csv", train = *phantoms / "train.txt", val = *phantoms / "val.txt";
  evaluate({"--checkpoint", checkpoint("0"), "--subset", "all", "--csv", csv});
  const std::vector<Row> rows = read_rows(csv);
  std::vector<Row> listed = {rows[13], rows[2], rows[0], rows[15], rows[7]};
  std::string names;
  for (const Row& row : listed) names += row.name + "\n";
  write_text(val, names);
  write_text(train, rows[1].name + "\n");
  const Json found =
      evaluate({"--checkpoint", checkpoint("0"), "--train-list", train, "--val-list", val, "--pool-batch", "2"});
  const double expected =
      (2 * pooled_iou({listed[0], listed[1]}) + 2 * pooled_iou({listed[2], listed[3]}) + pooled_iou({listed[4]})) / 5;
  EXPECT_NEAR(found["overall"]["batch_pooled_iou"].get<double>(), expected, 1e-9);
  std::sort(listed.begin(), listed.end(),
            [](const Row& a, const Row& b) { return a.class_name + a.name < b.class_name + b.name; });
  const double in_case_order =
      (2 * pooled_iou({listed[0], listed[1]}) + 2 * pooled_iou({listed[2], listed[3]}) + pooled_iou({listed[4]})) / 5;
  EXPECT_GT(std::abs(expected - in_case_order), 1e-6) << "the order makes no difference: the test shows nothing";
}

TEST_F(EvaluateCommand, OutputsOfOneName) {
  const std::string file = *phantoms / "both";
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint("0"), "--json", file, "--csv", file}), 1,
                 {"cannot write", "the same name"});
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(EvaluateCommand, FoldsGiveMeanAndDeviation) {
  const Json first = evaluate({"--checkpoint", checkpoint("0")}), second = evaluate({"--checkpoint", checkpoint("1")});
  EXPECT_EQ(first["cases"].get<int>() + second["cases"].get<int>(), 20);
  const Json both = evaluate({"--checkpoint", checkpoint("0"), "--checkpoint", checkpoint("1")});
  EXPECT_EQ(both["checkpoints"], (Json{first, second}));
  for (const char* key : {"loss", "accuracy", "iou", "dice", "pooled_iou", "batch_pooled_dice", "ece"}) {
    const double a = first["overall"][key], b = second["overall"][key];
    EXPECT_NEAR(both["mean"][key].get<double>(), (a + b) / 2, 1e-12) << key;
    EXPECT_NEAR(both["standard_deviation"][key].get<double>(), std::abs(a - b) / std::sqrt(2.0), 1e-12) << key;
  }
  for (const char* text : {"mean", "standard deviation"}) EXPECT_NE(out.find(text), std::string::npos) << out;
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint("0"), "--checkpoint", checkpoint("1"), "--csv",
                               *phantoms / "x.csv"}),
                 2, {"--csv", "one checkpoint"});
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint("0"), "--pool-batch", "0"}), 2,
                 {"--pool-batch", "1 to 4096"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
