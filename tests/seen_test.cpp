// What evaluate, audit, compare, train and the report say of images that a network was trained on, through the program.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "common/data/dataset.h"
#include "common/io/safetensors.h"
#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/json.h"
#include "support/png_reader.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string warning(std::size_t trained, std::size_t images, std::size_t near_duplicates) {
  return "warning: " + std::to_string(trained) + " of " + std::to_string(images) + " scored images were trained on (" +
         std::to_string(near_duplicates) + " near-duplicates)";
}

std::set<std::string> names(const std::vector<RecordedCase>& cases) {
  std::set<std::string> result;
  for (const RecordedCase& one : cases) result.insert(one.name);
  return result;
}

/// The same checkpoint as one from before there were case lists.
void write_older(const fs::path& from, const fs::path& to) {
  SafetensorsReader reader(from);
  std::map<std::string, std::string> metadata = reader.metadata();
  metadata.erase("case_list");
  std::vector<StoredTensor> tensors;
  for (const auto& [name, tensor] : reader.tensors()) tensors.push_back(tensor);
  write_safetensors(to, metadata, tensors, [&](std::size_t i, float* values) { reader.read(tensors[i], values); });
}

void remove_case(const data::Case& one) {
  fs::remove(one.image);
  for (const fs::path& mask : one.masks) fs::remove(mask);
}

/// The case under another name and perhaps in another dataset; its image slightly changed if asked for.
void copy_case(const data::Case& one, const fs::path& root, const std::string& name, bool changed = false) {
  const fs::path folder = root / one.class_name;
  fs::create_directories(folder);
  data::Grey image = data::read_luma(one.image);
  for (std::size_t i = 0; changed && i < image.pixels.size(); i += 9)
    image.pixels[i] = static_cast<std::uint8_t>(image.pixels[i] ^ 3);
  data::write_png(folder / (name + ".png"), image);
  for (std::size_t i = 0; i < one.masks.size(); ++i)
    fs::copy_file(one.masks[i], folder / (name + "_mask" + (i == 0 ? "" : "_" + std::to_string(i)) + ".png"));
}

struct Evaluated {
  std::string out;
  Json json;
  std::map<std::string, std::string> seen;  // of each case by name
};

class SeenImages : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    phantoms = new PhantomFolder;
    train("run", {{"--panels", "0"}, {"--lr", "3e-2"}});
    checkpoint = *phantoms / "run/last.safetensors";
    list = *load_case_list(checkpoint);
    undisturbed = evaluate({});
  }
  static void TearDownTestSuite() { delete phantoms; }

  static Evaluated evaluate(const std::vector<std::string>& more, const std::string& of = checkpoint) {
    const std::string json = *phantoms / "e.json", csv = *phantoms / "e.csv";
    std::vector<std::string> arguments = {"evaluate", "--checkpoint", of,      "--threads", "1",
                                          "--json",   json,           "--csv", csv};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    Evaluated result{finished.out, read_json(json), {}};
    std::istringstream lines(read_text(csv));
    std::string line;
    std::getline(lines, line);
    EXPECT_EQ(line.substr(line.rfind(',')), ",seen");
    while (std::getline(lines, line)) result.seen[line.substr(0, line.find(','))] = line.substr(line.rfind(',') + 1);
    EXPECT_EQ(result.seen.size(), result.json["cases"].get<std::size_t>());
    return result;
  }
  /// `train` as PhantomFolder has it, with other values for options that it gives.
  static Finished train(const std::string& name, const std::vector<std::pair<std::string, std::string>>& options) {
    std::vector<std::string> arguments = phantoms->train(*phantoms / name);
    for (const auto& [option, value] : options) {
      const auto given = std::find(arguments.begin(), arguments.end(), option);
      if (given == arguments.end())
        arguments.insert(arguments.end(), {option, value});
      else
        *(given + 1) = value;
    }
    const Finished finished = attnunet_run(arguments);
    expect_success(finished);
    return finished;
  }
  static std::size_t count(const Evaluated& one, const std::string& seen) {
    return static_cast<std::size_t>(
        std::count_if(one.seen.begin(), one.seen.end(), [&](const auto& row) { return row.second == seen; }));
  }
  /// The warning, the JSON and the CSV agree, and of the cases whose names are recorded all that trained are found.
  static void expect_seen(const Evaluated& one, const CaseList& of) {
    const std::set<std::string> trained = names(of.train);
    std::size_t expected = 0;
    for (const auto& [name, seen] : one.seen) {
      EXPECT_EQ(seen == "trained", trained.count(name) != 0) << name;
      expected += trained.count(name);
    }
    EXPECT_EQ(one.json["trained_on"], expected);
    EXPECT_EQ(first_line(one.out), warning(expected, one.seen.size(), count(one, "near-duplicate")));
  }
  /// A copy of the dataset for this test.
  static std::string copy_of_data() {
    const std::string copy =
        *phantoms / ("copy-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::copy(phantoms->data, copy, fs::copy_options::recursive);
    return copy;
  }
  static data::Case case_of(const data::Dataset& dataset, const RecordedCase& recorded) {
    return *std::find_if(dataset.cases.begin(), dataset.cases.end(), [&](const data::Case& one) {
      return one.name == recorded.name && one.class_name == recorded.class_name;
    });
  }
  static void expect_undisturbed(const Evaluated& one) {
    EXPECT_EQ(one.json["overall"], undisturbed.json["overall"]);
    EXPECT_EQ(one.json["cases"], undisturbed.json["cases"]);
    EXPECT_EQ(one.json["trained_on"], 0);
    EXPECT_EQ(one.out.find("warning"), std::string::npos) << one.out;
  }

  static PhantomFolder* phantoms;
  static std::string checkpoint;
  static CaseList list;
  static Evaluated undisturbed;
};
PhantomFolder* SeenImages::phantoms = nullptr;
std::string SeenImages::checkpoint;
CaseList SeenImages::list;
Evaluated SeenImages::undisturbed;

TEST_F(SeenImages, NoneOfTheValidationCases) {
  EXPECT_EQ(list.train.size() + list.val.size(), 20u);
  std::set<std::string> scored;
  for (const auto& [name, seen] : undisturbed.seen) scored.insert(name);
  EXPECT_EQ(scored, names(list.val));
  EXPECT_EQ(count(undisturbed, "no"), list.val.size());
  EXPECT_EQ(undisturbed.json["missing"], 0);
  EXPECT_EQ(undisturbed.json["near_duplicates_of_training"], 0);
  EXPECT_EQ(undisturbed.json["seen_unknown"], 0);
  expect_undisturbed(undisturbed);
}

TEST_F(SeenImages, AllOfTheTrainingCases) {
  const Evaluated train = evaluate({"--subset", "train"});
  EXPECT_EQ(count(train, "trained"), list.train.size());
  expect_seen(train, list);
  const Evaluated all = evaluate({"--subset", "all"});
  EXPECT_EQ(all.seen.size(), 20u);
  expect_seen(all, list);
}

TEST_F(SeenImages, OneCaseRemoved) {
  const std::string copy = copy_of_data();
  remove_case(case_of(data::scan(copy), list.train[0]));
  expect_undisturbed(evaluate({"--data", copy}));
  remove_case(case_of(data::scan(copy), list.val[0]));
  const Evaluated less = evaluate({"--data", copy});
  EXPECT_NE(first_line(less.out).find(": 1 of the " + std::to_string(list.val.size()) + " recorded cases is missing"),
            std::string::npos)
      << less.out;
  EXPECT_EQ(less.json["missing"], 1);
  EXPECT_EQ(less.json["trained_on"], 0);
  EXPECT_EQ(less.seen.count(list.val[0].name), 0u);
  EXPECT_EQ(less.seen.size(), list.val.size() - 1);
  // With options the split is made anew, and the training cases among its validation cases are found.
  expect_seen(evaluate({"--data", copy, "--seed", "0"}), list);
  for (std::size_t i = 1; i < list.val.size(); ++i) remove_case(case_of(data::scan(copy), list.val[i]));
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", copy}), 1,
                 {"none of the 4 recorded cases", "subset val", "--split"});
}

TEST_F(SeenImages, OtherClassesSplitsAndSeeds) {
  const std::string train = *phantoms / "train.txt", val = *phantoms / "val.txt";
  write_text(train, list.val[0].name + "\n");
  write_text(val, list.train[0].name + "\n" + list.train[1].name + "\n" + list.val[1].name + "\n");
  for (const std::vector<std::string>& options :
       std::vector<std::vector<std::string>>{{"--classes", "benign,malignant", "--seed", "1"},
                                             {"--split", "paper"},
                                             {"--split", "random"},
                                             {"--seed", "3"},
                                             {"--folds", "2", "--fold", "1"},
                                             {"--train-list", train, "--val-list", val}}) {
    SCOPED_TRACE(options[0] + " " + options[1]);
    const Evaluated one = evaluate(options);
    EXPECT_GT(count(one, "trained"), 0u);
    expect_seen(one, list);
  }
}

TEST_F(SeenImages, CasesAdded) {
  const std::string copy = copy_of_data();
  data::synthesize(*phantoms / "more", 20, 32, 6);
  const data::Dataset more = data::scan(*phantoms / "more");
  for (std::size_t i = 0; i < more.cases.size(); i += 3) copy_case(more.cases[i], copy, "a new " + std::to_string(i));
  expect_undisturbed(evaluate({"--data", copy}));
  const Evaluated all = evaluate({"--data", copy, "--subset", "all"});
  EXPECT_EQ(all.seen.size(), 20u);
  EXPECT_NE(all.out.find("7 of the 27 cases there are not recorded and not scored"), std::string::npos) << all.out;
  const Evaluated anew = evaluate({"--data", copy, "--split", "grouped"});
  EXPECT_GT(count(anew, "trained"), 0u);
  expect_seen(anew, list);
}

TEST_F(SeenImages, RenamedAndCopiedFiles) {
  expect_undisturbed(evaluate({"--data", copy_of_data()}));
  const std::string renamed = *phantoms / "renamed";
  int number = 0;
  for (const data::Case& one : data::scan(phantoms->data).cases)
    copy_case(one, renamed, std::to_string(100 + number++));
  expect_undisturbed(evaluate({"--data", renamed}));
  EXPECT_EQ(count(evaluate({"--data", renamed, "--subset", "train"}), "trained"), list.train.size());
}

// A few of the checkpoint's cases among others: what is not scored is said, and what scores it.
TEST_F(SeenImages, AnotherDatasetWithSomeOfTheCases) {
  const std::string one_trained = *phantoms / "one-trained", one_validated = *phantoms / "one-validated";
  const data::Dataset dataset = data::scan(phantoms->data);
  for (const std::string& folder : {one_trained, one_validated}) data::synthesize(folder, 12, 32, 8);
  copy_case(case_of(dataset, list.train[0]), one_trained, "from elsewhere");
  copy_case(case_of(dataset, list.val[0]), one_validated, "from elsewhere");
  const std::string others = "12 of the 13 cases there are not recorded", all = "--split random --subset all";
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--data", one_trained}), 1, {others, all});
  const Evaluated one = evaluate({"--data", one_validated});
  EXPECT_EQ(one.seen.size(), 1u);
  EXPECT_NE(first_line(one.out).find(others + " and not scored (" + all), std::string::npos) << one.out;
  EXPECT_EQ(evaluate({"--data", one_trained, "--split", "random", "--subset", "all"}).seen.size(), 13u);
}

/// The phantoms in the folders train, val and test, each with class folders.
std::string parted_data(const PhantomFolder& phantoms, const std::string& name) {
  const data::Dataset dataset = data::scan(phantoms.data);
  for (std::size_t i = 0; i < dataset.cases.size(); ++i) {
    const char* part = i % 5 == 4 ? "test" : i % 5 == 3 ? "val" : "train";
    copy_case(dataset.cases[i], fs::path(phantoms / name) / part, "case " + std::to_string(100 + i));
  }
  return phantoms / name;
}

TEST_F(SeenImages, TestCasesOfTheDataset) {
  const std::string data = parted_data(*phantoms, "parted"), last = *phantoms / "parted-run/last.safetensors";
  const Finished trained = train("parted-run", {{"--data", data}, {"--epochs", "1"}, {"--panels", "0"}});
  EXPECT_NE(trained.out.find("12 for training, 4 for validation, 4 for testing"), std::string::npos) << trained.out;
  EXPECT_EQ(names(load_case_list(last)->test), (std::set<std::string>{"case 104", "case 109", "case 114", "case 119"}));
  const Evaluated test = evaluate({"--subset", "test"}, last);
  EXPECT_EQ(test.json["subset"], "test");
  EXPECT_EQ(count(test, "no"), 4u);
  EXPECT_EQ(test.seen.count("case 104"), 1u);
  const Evaluated all = evaluate({"--subset", "all"}, last);
  EXPECT_EQ(all.seen.size(), 20u);
  EXPECT_EQ(all.out.find("not recorded"), std::string::npos) << all.out;
  EXPECT_EQ(evaluate({"--subset", "test", "--split", "grouped"}, last).seen, test.seen);
  expect_failure(
      attnunet_run({"evaluate", "--checkpoint", checkpoint, "--subset", "test", "--data", *phantoms / "parted"}), 1,
      {"records no test cases; --split grouped --subset test scores those that"});
  // Wherever they are now.
  fs::rename(*phantoms / "parted/test", *phantoms / "only-test");
  EXPECT_EQ(evaluate({"--subset", "test", "--data", *phantoms / "only-test"}, last).json["overall"],
            test.json["overall"]);
  // A checkpoint of a dataset without any, of this dataset.
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--subset", "test"}), 1,
                 {"records no test cases, and " + phantoms->data + " names none: --split random --subset all"});
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--subset", "test", "--seed", "0"}), 1,
                 {"no test cases", "a folder called test"});
}

TEST_F(SeenImages, TestCasesThatWereTrainedOn) {
  const std::string data = parted_data(*phantoms, "leaky-test");
  const data::Dataset dataset = data::scan(data);
  const auto first = [&](data::Part part) {
    return *std::find_if(dataset.cases.begin(), dataset.cases.end(),
                         [&](const data::Case& one) { return one.part == part; });
  };
  remove_case(first(data::Part::test));
  copy_case(first(data::Part::train), data + "/test", "case 104");
  const Finished trained = train("leaky-test-run", {{"--data", data}, {"--epochs", "1"}, {"--panels", "0"}});
  EXPECT_NE(trained.out.find("warning: 1 of 4 test images were trained on (0 near-duplicates)\n"), std::string::npos)
      << trained.out;
  const Evaluated test = evaluate({"--subset", "test"}, *phantoms / "leaky-test-run/last.safetensors");
  EXPECT_EQ(first_line(test.out), warning(1, 4, 0));
}

// Weights know no cases, so the dataset's own split is the default, as in training.
TEST_F(SeenImages, WeightsWithoutMetadata) {
  const std::string data = parted_data(*phantoms, "for-weights"), weights = *phantoms / "weights.safetensors";
  SafetensorsReader reader(checkpoint);
  std::vector<StoredTensor> tensors;
  for (const auto& [name, tensor] : reader.tensors()) tensors.push_back(tensor);
  write_safetensors(weights, {}, tensors, [&](std::size_t i, float* values) { reader.read(tensors[i], values); });
  std::set<std::string> scored;
  for (const auto& [name, seen] : evaluate({"--data", data, "--size", "32"}, weights).seen) scored.insert(name);
  EXPECT_EQ(scored, (std::set<std::string>{"case 103", "case 108", "case 113", "case 118"}));
  const Finished audit = attnunet_run({"audit", "--checkpoint", weights, "--data", phantoms->data, "--size", "32"});
  expect_success(audit);
  EXPECT_NE(audit.out.find("The checkpoint has no metadata of ours"), std::string::npos) << audit.out;
}

TEST_F(SeenImages, ThresholdsAreChosenOnImagesThatWereNotTrainedOn) {
  const std::string copy = *phantoms / "copy.safetensors", other = *phantoms / "for-threshold";
  const auto choose = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"evaluate", "--checkpoint", checkpoint, "--choose-threshold", copy});
    return attnunet_run(arguments);
  };
  const std::string not_its_own = "of images that are not recorded as the checkpoint's validation cases";
  const Finished own = choose({});
  expect_success(own);
  EXPECT_EQ(own.out.find(not_its_own), std::string::npos) << own.out;
  fs::remove(copy);
  expect_failure(choose({"--seed", "9"}), 1, {"--choose-threshold", "not trained on", "of these 4 were", "--seed"});
  EXPECT_FALSE(fs::exists(copy));
  data::synthesize(other, 10, 32, 8);
  const Finished elsewhere = choose({"--data", other});
  expect_success(elsewhere);
  EXPECT_NE(elsewhere.out.find(not_its_own), std::string::npos) << elsewhere.out;
}

TEST_F(SeenImages, AnotherDataset) {
  const std::string other = *phantoms / "other";
  data::synthesize(other, 10, 32, 8);
  const Evaluated clean = evaluate({"--data", other});
  EXPECT_NE(first_line(clean.out).find("none of the checkpoint's cases is there, so all 10 cases are scored"),
            std::string::npos)
      << clean.out;
  EXPECT_EQ(clean.json["subset"], "all");
  EXPECT_EQ(clean.json["trained_on"], 0);
  EXPECT_EQ(count(clean, "no"), 10u);
  // A near-duplicate of an image that was trained on, which is not on disk.
  copy_case(case_of(data::scan(phantoms->data), list.train[2]), other, "slightly changed", true);
  // What was left out comes after the warning.
  fs::copy_file(data::scan(other).cases[0].masks[0], fs::path(other) / "benign/orphan_mask.png");
  const Evaluated one = evaluate({"--data", other});
  EXPECT_EQ(first_line(one.out), warning(0, 11, 1));
  EXPECT_NE(one.out.find("orphan_mask.png"), std::string::npos) << one.out;
  EXPECT_EQ(one.json["near_duplicates_of_training"], 1);
  EXPECT_EQ(one.seen.at("slightly changed"), "near-duplicate");
  EXPECT_EQ(count(one, "no"), 10u);
}

// A checkpoint of some classes finds its cases in folders of other names.
TEST_F(SeenImages, ClassesThatMoved) {
  const std::string run = *phantoms / "benign", moved = *phantoms / "moved";
  train("benign", {{"--panels", "0"}, {"--epochs", "1"}, {"--classes", "benign"}});
  for (data::Case one : data::scan(phantoms->data, {"benign"}).cases) {
    one.class_name = "malignant";
    copy_case(one, moved, one.name);
  }
  const Evaluated here = evaluate({}, run + "/last.safetensors"),
                  there = evaluate({"--data", moved}, run + "/last.safetensors");
  EXPECT_EQ(here.json["trained_on"], 0);
  EXPECT_EQ(there.json["overall"], here.json["overall"]);
  EXPECT_EQ(there.seen, here.seen);
}

TEST_F(SeenImages, OlderCheckpoint) {
  const std::string older = *phantoms / "run/older.safetensors";
  write_older(checkpoint, older);
  const Evaluated one = evaluate({}, older);
  EXPECT_EQ(one.json["overall"], undisturbed.json["overall"]);
  EXPECT_EQ(count(one, "unknown"), one.seen.size());
  EXPECT_NE(first_line(one.out).find("warning: it is not known whether 4 of 4 scored images"), std::string::npos)
      << one.out;
  EXPECT_EQ(one.json["trained_on"], nullptr);
  EXPECT_EQ(one.json["near_duplicates_of_training"], nullptr);
  EXPECT_EQ(one.json["seen_unknown"], 4);
  const Finished audit = attnunet_run({"audit", "--checkpoint", older, "--threads", "1"});
  expect_success(audit);
  EXPECT_NE(first_line(audit.out).find("warning: it is not known whether 20 of 20"), std::string::npos) << audit.out;
  EXPECT_NE(audit.out.find("Whether the checkpoint was trained on 4 of these 4 validation images is not known"),
            std::string::npos)
      << audit.out;
}

TEST_F(SeenImages, InitInherits) {
  // The second model validates on other cases than the first.
  const std::string out = train("second", {{"--init", checkpoint}, {"--seed", "9"}}).out;
  const std::string second = *phantoms / "second/last.safetensors";
  const CaseList second_list = *load_case_list(second);
  std::size_t before = 0;
  for (const RecordedCase& one : second_list.val) before += names(list.train).count(one.name);
  ASSERT_GT(before, 0u);
  const std::string text = std::to_string(before) + " of 4 validation images were trained on (0 near-duplicates)";
  EXPECT_NE(out.find("warning: " + text + "\n"), std::string::npos) << out;
  EXPECT_NE(read_text(*phantoms / "second/report.html").find(text), std::string::npos);
  const Evaluated one = evaluate({}, second);
  EXPECT_EQ(count(one, "trained"), before);
  EXPECT_EQ(first_line(one.out), warning(before, 4, 0));

  // The third, which validates as the first did, knows of the second's training too.
  train("third", {{"--init", second}, {"--epochs", "1"}, {"--panels", "0"}});
  const CaseList third = *load_case_list(*phantoms / "third/last.safetensors");
  EXPECT_EQ(names(third.val), names(list.val));
  const Evaluated after = evaluate({}, *phantoms / "third/last.safetensors");
  EXPECT_GT(count(after, "trained"), 0u);
  for (const auto& [name, seen] : after.seen)
    EXPECT_EQ(seen, names(second_list.train).count(name) != 0 ? "trained" : "no") << name;

  // Resumed, nothing is lost.
  train("short", {{"--init", checkpoint}, {"--seed", "9"}, {"--epochs", "1"}, {"--panels", "0"}});
  expect_success(attnunet_run(
      {"train", "--resume", *phantoms / "short/last.safetensors", "--epochs", "2", "--threads", "1", "--quiet"}));
  EXPECT_TRUE(read_text(*phantoms / "short/last.safetensors") == read_text(second));

  const std::string older = *phantoms / "older.safetensors";
  write_older(checkpoint, older);
  const Finished fourth = train("fourth", {{"--init", older}, {"--epochs", "1"}, {"--panels", "0"}});
  EXPECT_NE(fourth.out.find("not known whether 4 of 4 validation images"), std::string::npos) << fourth.out;
  EXPECT_EQ(count(evaluate({}, *phantoms / "fourth/last.safetensors"), "unknown"), 4u);
}

TEST_F(SeenImages, AuditAndCompare) {
  const std::string json = *phantoms / "audit.json";
  const Finished audit = attnunet_run({"audit", "--checkpoint", checkpoint, "--threads", "1", "--json", json});
  expect_success(audit);
  EXPECT_EQ(first_line(audit.out), warning(list.train.size(), 20, 0));
  const Json object = read_json(json);
  EXPECT_EQ(object["trained_on"], list.train.size());
  EXPECT_EQ(object["training"]["checkpoint"]["trained_on"].get<std::size_t>() +
                object["validation"]["checkpoint"]["trained_on"].get<std::size_t>(),
            list.train.size());

  // A validation image that is nearly one of the training images.
  const std::string copy = copy_of_data(), page = *phantoms / "page.html";
  const data::Dataset dataset = data::scan(copy);
  std::string training, validation = "nearly\n";
  for (const RecordedCase& one : list.train) training += one.name + "\n";
  for (const RecordedCase& one : list.val) validation += one.name + "\n";
  copy_case(case_of(dataset, list.train[1]), copy, "nearly", true);
  const std::string train_list = *phantoms / "leaky-train.txt", val_list = *phantoms / "leaky-val.txt";
  write_text(train_list, training);
  write_text(val_list, validation);
  const Finished trained =
      train("leaky", {{"--data", copy}, {"--train-list", train_list}, {"--val-list", val_list}, {"--epochs", "1"}});
  EXPECT_NE(trained.out.find("warning: 0 of 5 validation images were trained on (1 near-duplicates)\n"),
            std::string::npos)
      << trained.out;
  EXPECT_NE(read_text(*phantoms / "leaky/report.html").find(", a near-duplicate was trained on"), std::string::npos);
  fs::create_directories(*phantoms / "bare");
  for (const char* name : {"config.json", "metrics.csv"})
    fs::copy_file(*phantoms / ("run/" + std::string(name)), *phantoms / ("bare/" + std::string(name)));
  const Finished compared =
      attnunet_run({"compare", *phantoms / "run", *phantoms / "leaky", *phantoms / "bare", "--out", page});
  expect_success(compared);
  EXPECT_EQ(first_line(compared.out), warning(0, 5, 1) + " in leaky");
  EXPECT_NE(compared.out.find("no checkpoint with a case list in bare"), std::string::npos) << compared.out;
  EXPECT_NE(read_text(page).find("validation images with a near-duplicate trained on</td><td>0 of 4</td><td>1 of "
                                 "5</td><td>unknown</td>"),
            std::string::npos);
}

}  // namespace TEST_FILE
}  // namespace attnunet
