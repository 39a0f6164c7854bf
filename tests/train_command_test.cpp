// `attnunet train` and `evaluate` as programs: run folders, interruption and resumption, what happens to bad input.
#include <gtest/gtest.h>
#include <lodepng.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>
#include <sstream>

#include "common/train/checkpoint.h"
#include "support/command_line.h"
#include "support/json.h"
#include "support/png_kinds.h"
#include "support/png_reader.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// metrics.csv without its column of seconds.
std::string timeless(const fs::path& csv) {
  std::string result;
  for (const std::string& line : lines_of(read_text(csv))) {
    const std::size_t second = line.find(',', line.find(',') + 1), third = line.find(',', second + 1);
    result += line.substr(0, second) + line.substr(third) + "\n";
  }
  return result;
}

void expect_same_run(const fs::path& actual, const fs::path& expected) {
  for (const char* name : {"last.safetensors", "best.safetensors"}) {
    EXPECT_FALSE(read_text(expected / name).empty());
    EXPECT_TRUE(read_text(actual / name) == read_text(expected / name)) << name << " differs";
  }
  EXPECT_EQ(timeless(actual / "metrics.csv"), timeless(expected / "metrics.csv"));
}

TEST(TrainCommand, WritesARunFolder) {
  const PhantomFolder phantoms;
  const Finished finished = attnunet_run(phantoms.train(phantoms / "run"));
  expect_success(finished);
  EXPECT_NE(finished.out.find("validation IoU"), std::string::npos);
  EXPECT_NE(finished.out.find(phantoms / "run"), std::string::npos);
  EXPECT_EQ(finished.out.find('\r'), std::string::npos) << "a bar where there is no terminal";
  for (const char* name : {"config.json", "metrics.csv", "last.safetensors", "best.safetensors"})
    EXPECT_TRUE(fs::is_regular_file(fs::path(phantoms / "run") / name)) << name;
  EXPECT_EQ(lines_of(read_text(phantoms / "run/metrics.csv")).size(), 3u);
  EXPECT_EQ(read_json(phantoms / "run/config.json")["base"], 2);
}

TEST(TrainCommand, DefaultFolderIsUnderRuns) {
  const PhantomFolder phantoms;
  ProcessOptions options;
  options.folder = phantoms.folder.path().string();
  std::vector<std::string> arguments = phantoms.train("", {"--epochs", "1"});
  arguments.erase(arguments.begin() + 3, arguments.begin() + 5);  // --out and its value
  arguments.erase(std::find(arguments.begin(), arguments.end(), "--epochs"),
                  std::find(arguments.begin(), arguments.end(), "--epochs") + 2);
  expect_success(attnunet_run(arguments, options));
  int runs = 0;
  for (const auto& entry : fs::directory_iterator(phantoms / "runs")) {
    EXPECT_EQ(entry.path().filename().string().rfind("attention3-", 0), 0u);
    ++runs;
  }
  EXPECT_EQ(runs, 1);
}

// Six of them start within two seconds at most.
TEST(TrainCommand, RunsOfTheSameSecondGetFoldersOfTheirOwn) {
  const PhantomFolder phantoms;
  ProcessOptions options;
  options.folder = phantoms.folder.path().string();
  std::vector<std::string> arguments = phantoms.train("", {"--quiet"});
  arguments.erase(arguments.begin() + 3, arguments.begin() + 5);  // --out and its value
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "0";
  std::string command = "for i in 1 2 3 4 5 6; do " + program();
  for (const std::string& argument : arguments) command += " '" + argument + "'";
  const Finished finished = run_process({"/bin/sh", "-c", command + " || exit 1; done"}, options);
  expect_success(finished);
  std::set<std::string> runs;
  for (const auto& entry : fs::directory_iterator(phantoms / "runs")) {
    EXPECT_TRUE(fs::exists(entry.path() / "last.safetensors")) << entry.path();
    runs.insert(read_json(entry.path() / "config.json")["out"].get<std::string>());
  }
  EXPECT_EQ(runs.size(), 6u);
}

// As with best.safetensors: the later epochs of the run stay, and what is printed can be pasted into a shell.
TEST(TrainCommand, AnEarlierStateOfARunIsResumedElsewhere) {
  const PhantomFolder phantoms;
  const std::string run = phantoms / "it's \"a run\"", earlier = run + "/earlier.safetensors";
  std::vector<std::string> arguments = phantoms.train(run);
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "1";
  expect_success(attnunet_run(arguments));
  fs::copy_file(run + "/last.safetensors", earlier);
  expect_success(attnunet_run({"train", "--resume", run + "/last.safetensors", "--epochs", "2"}));
  const std::string rows = read_text(run + "/metrics.csv"), state = read_text(run + "/last.safetensors");
  ASSERT_EQ(lines_of(rows).size(), 3u);
  const std::string last = "--resume '" + (phantoms / "it'\\''s \"a run\"/last.safetensors'");
  expect_failure(attnunet_run({"train", "--resume", earlier}), 1, {"epoch 1", "has 2", "--out", last});
  expect_failure(attnunet_run(phantoms.train(run)), 1, {last});
  EXPECT_EQ(read_text(run + "/metrics.csv"), rows);
  EXPECT_EQ(read_text(run + "/last.safetensors"), state);
  expect_success(attnunet_run({"train", "--resume", earlier, "--epochs", "2", "--out", phantoms / "other"}));
  EXPECT_EQ(lines_of(read_text(phantoms / "other/metrics.csv")).size(), 3u);
  // Batches of the next epoch stay, too.
  Checkpoint interrupted = load_checkpoint(earlier);
  interrupted.batch = 2;
  interrupted.step += 2;
  interrupted.sums.add({0.5, PixelCounts()});
  save_checkpoint(run + "/last.safetensors", interrupted);
  expect_failure(attnunet_run({"train", "--resume", earlier}), 1, {"after epoch 1 of", "has 1 and 2 batches", "--out"});
  // Once the last state is gone or damaged, the earlier one is all there is.
  write_text(run + "/last.safetensors", "damaged");
  expect_success(attnunet_run({"train", "--resume", earlier}));
}

// All that is left of a run is a checkpoint: no metrics.csv, no panels.
TEST(TrainCommand, ACheckpointAloneIsResumed) {
  const PhantomFolder phantoms;
  expect_success(attnunet_run(phantoms.train(phantoms / "run", {"--quiet"})));
  fs::copy_file(phantoms / "run/last.safetensors", phantoms / "alone.safetensors");
  for (const std::string epochs : {"2", "3"}) {
    expect_success(attnunet_run({"train", "--resume", phantoms / "alone.safetensors", "--data", phantoms.data,
                                 "--epochs", epochs, "--threads", "1", "--out", phantoms / epochs}));
    EXPECT_EQ(load_checkpoint(phantoms / (epochs + "/last.safetensors")).epoch, std::stoi(epochs));
  }
  EXPECT_EQ(lines_of(read_text(phantoms / "3/metrics.csv")).size(), 2u);
  EXPECT_TRUE(fs::exists(phantoms / "3/report.html"));
  expect_failure(attnunet_run({"compare", phantoms / "run", phantoms / "3", "--out", phantoms / "c.html"}), 1,
                 {"begins with epoch 3", "only whole runs"});
}

// Of images of 16 bits, so that the run has found its range of intensities.
TEST(TrainCommand, TheReportsCommandRepeatsTheRun) {
  const PhantomFolder phantoms;
  const data::Case deep = data::scan(phantoms.data).cases[0];
  const data::Grey image = data::read_luma(deep.image);
  write_png_kind(deep.image, big_endian(std::vector<int>(image.pixels.size(), 1000)),
                 static_cast<unsigned>(image.width), static_cast<unsigned>(image.height), LCT_GREY, 16);
  expect_success(attnunet_run(phantoms.train(phantoms / "run", {"--quiet"})));
  const std::string report = read_text(phantoms / "run/report.html"), begin = "<pre>attnunet ";
  const std::size_t at = report.find(begin);
  ASSERT_NE(at, std::string::npos);
  std::istringstream command(report.substr(at + begin.size(), report.find("</pre>", at) - at - begin.size()));
  std::vector<std::string> arguments;
  for (std::string word; command >> word;) arguments.push_back(word);
  arguments.insert(arguments.end(), {"--out", phantoms / "again", "--threads", "1", "--quiet"});
  expect_success(attnunet_run(arguments));
  EXPECT_TRUE(read_text(phantoms / "again/last.safetensors") == read_text(phantoms / "run/last.safetensors"));
}

TEST(TrainCommand, QuietPrintsTheResultOnly) {
  const PhantomFolder phantoms;
  const Finished finished = attnunet_run(phantoms.train(phantoms / "run", {"--quiet"}));
  expect_success(finished);
  EXPECT_EQ(lines_of(finished.out).size(), 2u) << finished.out;
}

TEST(TrainCommand, SameBitsTwiceAndForAnyNumberOfThreads) {
  for (const std::string conv : {"auto", "reference"}) {
    SCOPED_TRACE(conv);
    const PhantomFolder phantoms;
    const std::vector<std::string> by{"--conv", conv};
    expect_success(attnunet_run(phantoms.train(phantoms / "a", by)));
    std::vector<std::string> two_threads = phantoms.train(phantoms / "b", by);
    *(std::find(two_threads.begin(), two_threads.end(), "--threads") + 1) = "2";
    expect_success(attnunet_run(two_threads));
    expect_success(attnunet_run(phantoms.train(phantoms / "c", by)));
    expect_same_run(phantoms / "b", phantoms / "a");
    expect_same_run(phantoms / "c", phantoms / "a");
  }
}

TEST(TrainCommand, NoEpochsWritesTheInitialCheckpointOnly) {
  const PhantomFolder phantoms;
  std::vector<std::string> arguments = phantoms.train(phantoms / "run");
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "0";
  expect_success(attnunet_run(arguments));
  EXPECT_TRUE(fs::exists(phantoms / "run/last.safetensors"));
  EXPECT_FALSE(fs::exists(phantoms / "run/best.safetensors"));
}

// Another dataset is refused before anything is said of its files and cases.
TEST(TrainCommand, ResumingWithAnotherDatasetGivesNoWarnings) {
  const PhantomFolder phantoms;
  expect_success(attnunet_run(phantoms.train(phantoms / "run")));
  data::synthesize(phantoms / "other", 10, 32, 8);
  const Finished resumed = attnunet_run({"train", "--resume", phantoms / "run/last.safetensors", "--epochs", "3",
                                         "--data", phantoms / "other", "--threads", "1"});
  expect_failure(resumed, 1, {phantoms / "other", "are not those the checkpoint was trained with"});
  EXPECT_EQ(resumed.out.find("warning"), std::string::npos) << resumed.out;
}

// A whole run in the simulator; --resume keeps its backend, evaluate takes the one that is asked for.
TEST(TrainCommand, TrainsInTheSimulator) {
  const PhantomFolder phantoms;
  std::vector<std::string> arguments =
      phantoms.train(phantoms / "run", {"--backend", "cuda-sim", "--precision", "tf32"});
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "1";
  expect_success(attnunet_run(arguments));
  const auto config = read_json(phantoms / "run/config.json");
  EXPECT_EQ(config["backend"], "cuda-sim");
  EXPECT_EQ(config["precision"], "tf32");
  const std::string last = phantoms / "run/last.safetensors";
  expect_failure(attnunet_run({"train", "--resume", last, "--backend", "cpu"}), 2, {"--backend", "cuda-sim"});
  expect_failure(attnunet_run({"train", "--resume", last, "--precision", "float32"}), 2, {"--precision", "tf32"});
  expect_success(attnunet_run({"train", "--resume", last, "--epochs", "2", "--backend", "cuda-sim"}));
  EXPECT_EQ(lines_of(read_text(phantoms / "run/metrics.csv")).size(), 3u);
  expect_success(attnunet_run({"evaluate", "--checkpoint", last}));
  expect_success(attnunet_run({"evaluate", "--checkpoint", last, "--backend", "cuda-sim", "--precision", "tf32"}));
}

/// What metrics.csv says in its last row.
std::map<std::string, double> last_row(const fs::path& csv) {
  const std::vector<std::string> rows = lines_of(read_text(csv));
  std::map<std::string, double> row;
  std::istringstream names(rows.front()), values(rows.back());
  for (std::string name, value; std::getline(names, name, ',') && std::getline(values, value, ',');)
    row[name] = std::stod(value);
  return row;
}

// One training, four methods: none gives another's bits, and all the same but for rounding. The weights of a few steps
// are off by what rounding does to Adam's, a fraction of the learning rate; 1 % of the loss is far above that.
TEST(TrainCommand, MethodsOfConvolutionDifferByTheirRoundingOnly) {
  const PhantomFolder phantoms;
  const std::string validation = phantoms / "e.json";
  const auto evaluated = [&](const std::string& run, const std::string& conv) {
    expect_success(attnunet_run({"evaluate", "--checkpoint", phantoms / (run + "/last.safetensors"), "--conv", conv,
                                 "--json", validation, "--threads", "1"}));
    return read_json(validation)["overall"]["loss"].get<double>();
  };
  const std::vector<std::string> methods = {"reference", "gemm", "direct", "winograd"};
  std::set<double> training, losses, of_the_same_weights;
  for (const std::string& conv : methods) {
    SCOPED_TRACE(conv);
    expect_success(attnunet_run(phantoms.train(phantoms / conv, {"--conv", conv})));
    EXPECT_EQ(read_json(phantoms / (conv + "/config.json"))["conv"], conv);
    const std::map<std::string, double> row = last_row(phantoms / (conv + "/metrics.csv"));
    training.insert(row.at("train_loss"));
    losses.insert(row.at("val_loss"));
    EXPECT_EQ(evaluated(conv, conv), row.at("val_loss"));
  }
  for (const std::string& conv : methods) of_the_same_weights.insert(evaluated("gemm", conv));
  for (const std::set<double>* values : {&training, &losses, &of_the_same_weights}) {
    EXPECT_EQ(values->size(), methods.size()) << "two methods, one value";
    EXPECT_LT(*values->rbegin() - *values->begin(), 1e-2 * *values->begin());
  }
}

struct Interruption {
  const char* name;
  int signal;
  bool ignored_before;
};

class TrainInterrupted : public ::testing::TestWithParam<Interruption> {};

// However long the run got before the signal came: it is resumed for two epochs more, and compared with a run of as
// many epochs that nothing disturbed.
TEST_P(TrainInterrupted, ResumesToTheBitsOfTheUndisturbedRun) {
  const PhantomFolder phantoms;
  const auto train = [&](const char* out, const std::string& epochs) {
    std::vector<std::string> arguments = phantoms.train(phantoms / out);
    *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = epochs;
    *(std::find(arguments.begin(), arguments.end(), "--batch") + 1) = "1";
    return arguments;
  };
  ProcessOptions options;
  options.interrupts_ignored = GetParam().ignored_before;
  options.signal_when = [](const std::string& out) {
    return out.find("validation loss") == std::string::npos ? 0 : GetParam().signal;
  };
  const Finished stopped = attnunet_run(train("stopped", "100000"), options);
  ASSERT_EQ(stopped.exit_code, 130) << stopped.out << stopped.err;
  EXPECT_NE(stopped.out.find("--resume"), std::string::npos);
  EXPECT_EQ(stopped.err, "");

  const std::size_t done = lines_of(read_text(phantoms / "stopped/metrics.csv")).size() - 1;
  ASSERT_GE(done, 1u);
  const std::string epochs = std::to_string(done + 2);
  expect_success(
      attnunet_run({"train", "--resume", phantoms / "stopped/last.safetensors", "--epochs", epochs, "--threads", "1"}));
  expect_success(attnunet_run(train("whole", epochs)));
  expect_same_run(phantoms / "stopped", phantoms / "whole");
}

INSTANTIATE_TEST_SUITE_P(, TrainInterrupted,
                         ::testing::Values(Interruption{"Interrupt", SIGINT, false},
                                           Interruption{"Terminate", SIGTERM, false},
                                           Interruption{"HangUp", SIGHUP, false},
                                           Interruption{"InterruptThatWasIgnored", SIGINT, true},
                                           Interruption{"TerminateThatWasIgnored", SIGTERM, true}),
                         [](const auto& info) { return std::string(info.param.name); });

// A command that does not save anything ends at once, in a script's background too.
TEST(Interrupts, EndACommandThatWasStartedWithThemIgnored) {
  ProcessOptions options;
  options.interrupts_ignored = true;
  for (const int number : {SIGINT, SIGTERM}) {
    options.signal_when = [&](const std::string& out) { return out.empty() ? 0 : number; };
    EXPECT_EQ(attnunet_run({"gradcheck"}, options).exit_code, 128 + number);
  }
}

// Two trainings into one folder: the second is refused, and does nothing to the first.
TEST(TrainCommand, SecondWriterIsRefused) {
  const PhantomFolder phantoms;
  std::vector<std::string> arguments = phantoms.train(phantoms / "run");
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "100000";
  ProcessOptions options;
  bool tried = false;
  options.signal_when = [&](const std::string& out) {
    if (tried || out.find("validation loss") == std::string::npos) return 0;
    tried = true;
    const std::vector<std::string> words = {phantoms / "run", "another process is writing"};
    expect_failure(attnunet_run(phantoms.train(phantoms / "run")), 1, words);
    expect_failure(attnunet_run({"train", "--resume", phantoms / "run/last.safetensors", "--epochs", "100000"}), 1,
                   words);
    return SIGKILL;
  };
  EXPECT_EQ(attnunet_run(arguments, options).exit_code, 128 + SIGKILL);
  EXPECT_TRUE(tried);
  const int done = static_cast<int>(lines_of(read_text(phantoms / "run/metrics.csv")).size()) - 1;
  expect_success(attnunet_run({"train", "--resume", phantoms / "run/last.safetensors", "--threads", "1", "--epochs",
                               std::to_string(done + 1)}));
}

// The numbers of a loss go with the run: into its files, into evaluate, into what continues it.
TEST(TrainCommand, NumbersOfALoss) {
  const PhantomFolder phantoms;
  const std::string checkpoint = phantoms / "run/last.safetensors", json = phantoms / "scores.json";
  expect_success(attnunet_run(
      phantoms.train(phantoms / "run", {"--loss", "tversky", "--tversky-fn", "0.6", "--tversky-gamma", "1.5"})));
  const nlohmann::json config = read_json(phantoms / "run/config.json");
  EXPECT_EQ(config["tversky-fn"], 0.6);
  EXPECT_EQ(config["tversky-fp"], 0.3);
  EXPECT_EQ(config["tversky-gamma"], 1.5);
  EXPECT_FALSE(config.contains("focal-gamma"));

  const auto loss = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"evaluate", "--checkpoint", checkpoint, "--json", json};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_success(attnunet_run(arguments));
    return read_json(json)["overall"]["loss"].get<double>();
  };
  const double own = loss({});
  EXPECT_EQ(last_row(phantoms / "run/metrics.csv").at("val_loss"), own);
  EXPECT_NE(loss({"--tversky-fn", "0.7"}), own);
  EXPECT_NE(loss({"--loss", "focal"}), loss({"--loss", "focal", "--focal-gamma", "0"}));
  expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, "--focal-alpha", "0.5"}), 2,
                 {"--focal-alpha needs --loss focal, not tversky"});

  const auto resume = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "--resume", checkpoint, "--epochs", "3", "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return attnunet_run(arguments);
  };
  expect_failure(resume({"--tversky-fn", "0.7"}), 2, {"--tversky-fn differs", "0.6"});
  expect_failure(resume({"--tversky-fp", "0.4"}), 2, {"--tversky-fp differs", "0.3"});
  expect_failure(resume({"--focal-gamma", "2"}), 2, {"--focal-gamma needs --loss focal, not tversky"});
  expect_success(resume({"--tversky-fn", "0.6"}));
}

// It says why it ended, also when it is resumed without effect; a run that did not count epochs counts them then.
// Of a run with --ema best.safetensors holds averages alone; what can be resumed lies beside it.
TEST(TrainCommand, BestOfAnEmaRunPointsToLast) {
  const PhantomFolder phantoms;
  const std::string run = phantoms / "run";
  expect_success(attnunet_run(phantoms.train(run, {"--ema", "0.5"})));
  expect_failure(attnunet_run({"train", "--resume", run + "/best.safetensors"}), 1,
                 {"lacks Adam's moments", "resume " + run + "/last.safetensors", "--init"});
}

TEST(TrainCommand, Patience) {
  const PhantomFolder phantoms;
  const std::string last = phantoms / "run/last.safetensors";
  const auto train = [&](const std::string& run, const std::string& epochs, const std::vector<std::string>& more) {
    std::vector<std::string> arguments = phantoms.train(phantoms / run, more);
    *std::next(std::find(arguments.begin(), arguments.end(), "--epochs")) = epochs;
    return attnunet_run(arguments);
  };
  const Finished ended = train("run", "9", {"--patience", "2", "--lr", "1e-12"});
  expect_success(ended);
  const int epochs = load_checkpoint(last).epoch;
  const std::string why = "ended by --patience 2 after epoch " + std::to_string(epochs) + " of 9";
  EXPECT_NE(ended.out.find(why), std::string::npos) << ended.out;
  EXPECT_NE(read_text(phantoms / "run/report.html").find(why), std::string::npos);
  const auto resume = [&](const std::string& checkpoint, std::vector<std::string> more) {
    more.insert(more.begin(), {"train", "--threads", "1", "--resume", checkpoint});
    return attnunet_run(more);
  };
  const Finished again = resume(last, {});
  expect_success(again);
  EXPECT_NE(again.out.find(why), std::string::npos) << again.out;
  EXPECT_NE(again.out.find("with a larger --patience"), std::string::npos) << again.out;
  const Finished longer = resume(last, {"--patience", "3"});
  expect_success(longer);
  EXPECT_NE(longer.out.find("ended by --patience 3 after epoch " + std::to_string(epochs + 1)), std::string::npos)
      << longer.out;

  expect_success(train("other", std::to_string(epochs), {"--lr", "1e-12"}));
  const Finished counted = resume(phantoms / "other/last.safetensors", {"--patience", "3", "--epochs", "9"});
  expect_success(counted);
  EXPECT_EQ(load_checkpoint(phantoms / "other/last.safetensors").epoch, epochs + 1) << counted.out;
}

class TrainResumed : public ::testing::Test {
 protected:
  void SetUp() override { expect_success(attnunet_run(phantoms.train(phantoms / "run"))); }
  Finished resume(std::vector<std::string> more, const ProcessOptions& options = {}) {
    more.insert(more.begin(), {"train", "--threads", "1", "--resume", phantoms / "run/last.safetensors"});
    return attnunet_run(more, options);
  }

  PhantomFolder phantoms;
};

TEST_F(TrainResumed, OnlySomeOptionsMayDiffer) {
  expect_failure(resume({"--lr", "0.5"}), 2, {"--lr", "--epochs"});
  expect_failure(resume({"--variant", "attention4"}), 2, {"--variant"});
  expect_failure(resume({"--seed", "1"}), 2, {"--seed"});
  expect_failure(resume({"--conv", "gemm"}), 2, {"--conv", "auto"});
  expect_failure(resume({"--no-shuffle"}), 2, {"--no-shuffle"});
  expect_failure(resume({"--init", phantoms / "run/best.safetensors"}), 2, {"--init"});
  expect_failure(resume({"--epochs", "1"}), 2, {"--epochs"});
  expect_success(resume({"--lr", "1e-3", "--epochs", "3", "--quiet"}));
}

TEST_F(TrainResumed, IntoAnotherFolder) {
  expect_success(resume({"--epochs", "3", "--out", phantoms / "other"}));
  EXPECT_EQ(lines_of(read_text(phantoms / "other/metrics.csv")).size(), 4u);
  EXPECT_EQ(lines_of(read_text(phantoms / "run/metrics.csv")).size(), 3u);
}

TEST_F(TrainResumed, FullDiskLosesNothing) {
  const std::string last = read_text(phantoms / "run/last.safetensors");
  const std::string csv = read_text(phantoms / "run/metrics.csv");
  ProcessOptions options;
  options.largest_file = 20000;
  expect_failure(resume({"--epochs", "4"}, options), 1, {".safetensors", "File too large"});
  EXPECT_TRUE(read_text(phantoms / "run/last.safetensors") == last);
  EXPECT_EQ(read_text(phantoms / "run/metrics.csv"), csv);
  for (const auto& entry : fs::directory_iterator(phantoms / "run"))
    EXPECT_EQ(entry.path().filename().string().find("tmp"), std::string::npos) << entry.path();
  expect_success(resume({"--epochs", "3"}));
}

TEST_F(TrainResumed, AFolderThatHoldsARunIsNotTrainedInto) {
  const std::string last = read_text(phantoms / "run/last.safetensors");
  expect_failure(attnunet_run(phantoms.train(phantoms / "run")), 1, {"--resume"});
  EXPECT_TRUE(read_text(phantoms / "run/last.safetensors") == last);
}

TEST_F(TrainResumed, InitTakesTheWeightsOfTheSameNetwork) {
  expect_success(attnunet_run(phantoms.train(phantoms / "second", {"--init", phantoms / "run/best.safetensors"})));
  std::vector<std::string> wider = phantoms.train(phantoms / "third", {"--init", phantoms / "run/best.safetensors"});
  *(std::find(wider.begin(), wider.end(), "--base") + 1) = "4";
  expect_failure(attnunet_run(wider), 1, {"best.safetensors", "base"});
}

TEST_F(TrainResumed, EvaluateReportsEveryImage) {
  const Finished finished =
      attnunet_run({"evaluate", "--checkpoint", phantoms / "run/best.safetensors", "--subset", "all", "--json",
                    phantoms / "e.json", "--csv", phantoms / "e.csv", "--threads", "1"});
  expect_success(finished);
  const auto json = read_json(phantoms / "e.json");
  EXPECT_EQ(json["cases"], 20);
  EXPECT_EQ(json["subset"], "all");
  for (const char* key : {"loss", "accuracy", "iou", "dice", "precision", "recall", "specificity", "pooled_iou",
                          "pooled_dice", "keras_mean_iou"})
    EXPECT_TRUE(json["overall"][key].is_number()) << key;
  EXPECT_EQ(json["per_class"].size(), 3u);
  const std::vector<std::string> rows = lines_of(read_text(phantoms / "e.csv"));
  ASSERT_EQ(rows.size(), 21u);
  EXPECT_EQ(rows[0],
            "name,class,loss,accuracy,iou,dice,precision,recall,specificity,truth_pixels,predicted_pixels,truth_mm2,"
            "predicted_mm2,seen");
  double sum = 0;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    std::size_t at = 0;
    for (int column = 0; column < 4; ++column) at = rows[i].find(',', at) + 1;
    sum += std::stod(rows[i].substr(at));
  }
  EXPECT_NEAR(sum / 20, json["overall"]["iou"].get<double>(), 1e-12);
  EXPECT_TRUE(std::is_sorted(rows.begin() + 1, rows.begin() + 5)) << "not in case order";
}

// The validation IoU that training wrote is what evaluate finds in that checkpoint.
TEST_F(TrainResumed, EvaluateAgreesWithTraining) {
  expect_success(attnunet_run({"evaluate", "--checkpoint", phantoms / "run/last.safetensors", "--json",
                               phantoms / "e.json", "--threads", "1"}));
  const auto json = read_json(phantoms / "e.json");
  const std::map<std::string, double> row = last_row(phantoms / "run/metrics.csv");
  EXPECT_EQ(row.at("val_iou"), json["overall"]["iou"].get<double>());
  EXPECT_EQ(row.at("val_loss"), json["overall"]["loss"].get<double>());
}

TEST_F(TrainResumed, OutputsThatCannotBeWritten) {
  const std::string checkpoint = phantoms / "run/best.safetensors";
  write_text(phantoms / "file", "x");
  expect_failure(attnunet_run(phantoms.train(phantoms / "file")), 1, {"file"});
  expect_failure(attnunet_run(phantoms.train(phantoms / "file/run")), 1, {"file/run"});
  expect_failure(attnunet_run(phantoms.train("/dev/null/run")), 1, {"/dev/null/run"});
  for (const char* option : {"--json", "--csv"}) {
    expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, option, phantoms / "file/x"}), 1, {"file/x"});
    expect_failure(attnunet_run({"evaluate", "--checkpoint", checkpoint, option, phantoms / "no/x"}), 1, {"no/x"});
  }
  EXPECT_EQ(read_text(phantoms / "file"), "x");
}

TEST_F(TrainResumed, BadCheckpointsAreNamed) {
  const std::string whole = read_text(phantoms / "run/last.safetensors");
  std::string lying = whole;
  lying[7] = '\x7f';  // the length of the header
  const std::vector<std::pair<std::string, std::string>> files = {
      {"empty.safetensors", ""},
      {"text.safetensors", "not a checkpoint"},
      {"short.safetensors", whole.substr(0, whole.size() - 5)},
      {"header.safetensors", whole.substr(0, 40)},
      {"lying.safetensors", lying},
      {"long.safetensors", whole + "x"},
  };
  fs::create_directory(phantoms / "folder.safetensors");
  std::vector<std::string> names = {"folder.safetensors", "missing.safetensors"};
  for (const auto& [name, contents] : files) {
    write_text(phantoms / name, contents);
    names.push_back(name);
  }
  for (const std::string& name : names) {
    SCOPED_TRACE(name);
    expect_failure(attnunet_run({"evaluate", "--checkpoint", phantoms / name}), 1, {name});
    expect_failure(attnunet_run({"info", "--checkpoint", phantoms / name}), 1, {name});
    expect_failure(attnunet_run({"train", "--resume", phantoms / name}), 1, {name});
    expect_failure(attnunet_run(phantoms.train(phantoms / "new", {"--init", phantoms / name})), 1, {name});
  }
  EXPECT_FALSE(fs::exists(phantoms / "new")) << "a run folder without a run";
  const std::string good = phantoms / "run/last.safetensors";
  expect_success(attnunet_run({"info", "--checkpoint", good}));
  expect_failure(attnunet_run({"evaluate", "--checkpoint", good, "--variant", "attention4"}), 1, {good, "attention3"});
  expect_failure(attnunet_run({"info", "--checkpoint", good, "--base", "8"}), 1, {good, "base"});
}

class BadDataset : public ::testing::Test {
 protected:
  fs::path benign(const std::string& name) const { return fs::path(phantoms.data) / "benign" / name; }
  void expect_rejected(const std::vector<std::string>& words, const std::vector<std::string>& more = {}) {
    expect_failure(attnunet_run(phantoms.train(phantoms / "run", more)), 1, words);
    fs::remove_all(phantoms / "run");
  }

  PhantomFolder phantoms;
};

TEST_F(BadDataset, BadPngFiles) {
  const fs::path image = benign("benign (1).png");
  const std::string whole = read_text(image);
  std::string huge = whole;
  huge.replace(16, 8, std::string("\x7f\xff\xff\xff\x7f\xff\xff\xff", 8));  // width and height
  for (const std::string& contents :
       {std::string(), std::string("not a PNG"), whole.substr(0, whole.size() / 2), huge}) {
    write_text(image, contents);
    expect_rejected({"benign (1).png"});
  }
  fs::remove(image);
  fs::create_directory(image);
  expect_rejected({"benign (1)"});
}

TEST_F(BadDataset, MasksThatAreMissingOrOfAnotherSize) {
  const fs::path mask = benign("benign (2)_mask.png");
  fs::remove(mask);
  fs::copy_file(fs::path(phantoms.data) / "normal" / "normal (1)_mask.png", mask);
  // Sizes of phantoms vary; where the two happen to agree the mask would be accepted.
  if (read_text(mask).substr(16, 8) != read_text(benign("benign (2).png")).substr(16, 8))
    expect_rejected({"benign (2).png", "benign (2)_mask.png"});
  fs::remove(mask);
  expect_rejected({"benign (2)"});
}

TEST_F(BadDataset, OrphanMasksAreReportedAndLeftOut) {
  fs::copy_file(benign("benign (3)_mask.png"), benign("benign (300)_mask.png"));
  const Finished finished = attnunet_run(phantoms.train(phantoms / "run"));
  expect_success(finished);
  EXPECT_NE(finished.out.find("benign (300)_mask.png"), std::string::npos);
}

TEST_F(BadDataset, NothingToTrainOn) {
  expect_rejected({"no validation case"}, {"--classes", "normal", "--folds", "50", "--fold", "40"});
  fs::create_directories(fs::path(phantoms / "empty") / "benign");
  std::vector<std::string> arguments = phantoms.train(phantoms / "run");
  arguments[2] = phantoms / "empty";
  expect_failure(attnunet_run(arguments), 1, {"empty"});
  arguments[2] = phantoms / "missing";
  expect_failure(attnunet_run(arguments), 1, {"missing"});
}

TEST_F(BadDataset, ClassesThatDoNotExist) {
  expect_failure(attnunet_run(phantoms.train(phantoms / "run", {"--classes", "benign,cyst"})), 2, {"cyst"});
}

TEST_F(BadDataset, Lists) {
  const std::string train = phantoms / "train.txt", val = phantoms / "val.txt";
  const std::vector<std::string> lists = {"--train-list", train, "--val-list", val};
  write_text(train, "benign (1)\r\nbenign (2)\r\n\r\n");
  write_text(val, "malignant (1)\n");
  expect_success(attnunet_run(phantoms.train(phantoms / "run", lists)));
  fs::remove_all(phantoms / "run");

  write_text(val, "malignant (100)\n");
  expect_rejected({"val.txt", "malignant (100)"}, lists);
  write_text(val, "malignant (1)\nmalignant (1)\n");
  expect_rejected({"val.txt", "malignant (1)"}, lists);
  write_text(val, "benign (1)\n");
  expect_rejected({"val.txt", "benign (1)"}, lists);
  write_text(val, "\n");
  expect_rejected({"no validation case"}, lists);
  fs::remove(val);
  expect_rejected({"val.txt"}, lists);
}

TEST_F(BadDataset, LossThatIsNotFiniteKeepsTheCheckpoint) {
  expect_failure(attnunet_run(phantoms.train(phantoms / "run", {"--lr", "100", "--weight-decay", "100"})), 1,
                 {"not finite", "step ", "--lr", "last.safetensors"});
  expect_success(attnunet_run({"info", "--checkpoint", phantoms / "run/last.safetensors"}));
}

}  // namespace TEST_FILE
}  // namespace attnunet
