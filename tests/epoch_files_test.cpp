// What `attnunet train` writes for people after an epoch, and that none of it touches the training.
#include "common/report/epoch_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "common/app/backend.h"
#include "common/report/report.h"
#include "common/train/cases.h"
#include "support/command_line.h"
#include "support/json.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

std::set<std::string> panels_in(const fs::path& run) {
  std::set<std::string> names;
  if (fs::exists(run / "epochs"))
    for (const auto& entry : fs::directory_iterator(run / "epochs")) names.insert(entry.path().filename().string());
  return names;
}

std::vector<std::string> with_epochs(std::vector<std::string> arguments, const std::string& epochs) {
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = epochs;
  return arguments;
}

class EpochFilesTest : public ::testing::Test {
 protected:
  Finished resume(const std::string& run, std::vector<std::string> more, const ProcessOptions& options = {}) {
    more.insert(more.begin(), {"train", "--threads", "1", "--resume", phantoms / (run + "/last.safetensors")});
    return attnunet_run(more, options);
  }
  void expect_same_panels(const std::string& actual, const std::string& expected) {
    EXPECT_EQ(panels_in(phantoms / actual), panels_in(phantoms / expected));
    for (const std::string& name : panels_in(phantoms / expected))
      EXPECT_TRUE(read_text(phantoms / (actual + "/epochs/" + name)) ==
                  read_text(phantoms / (expected + "/epochs/" + name)))
          << name;
  }
  PhantomFolder phantoms;
};

TEST_F(EpochFilesTest, DoNotChangeTheTraining) {
  for (const char* panels : {"0", "1", "3"})
    expect_success(attnunet_run(phantoms.train(phantoms / panels, {"--panels", panels})));
  for (const char* panels : {"0", "1"})
    for (const char* name : {"last.safetensors", "best.safetensors"})
      EXPECT_TRUE(read_text(phantoms / panels + "/" + name) == read_text(phantoms / "3" + "/" + name))
          << panels << name;
  // And training by itself, without anything that makes pictures.
  TrainConfig config = load_checkpoint(phantoms / "3/last.safetensors").config;
  config.data = phantoms.data;
  config.out = phantoms / "bare";
  const data::Dataset dataset = data::scan(config.data);
  cpu::Device device(1);
  const RunFolder bare = RunFolder::create(config);
  const data::Split split = split_of(dataset, config);
  Checkpoint start = new_run(config);
  data::Fingerprints prints(dataset);
  start.case_list = list_cases({}, dataset, split, prints);
  Trainer<Cpu<float>>(device, dataset, split, start, bare).run({});
  EXPECT_TRUE(read_text(bare.last()) == read_text(phantoms / "3/last.safetensors"));

  EXPECT_TRUE(panels_in(phantoms / "0").empty());
  EXPECT_FALSE(fs::exists(phantoms / "0/epochs"));
  const std::set<std::string> one = panels_in(phantoms / "1"), three = panels_in(phantoms / "3");
  EXPECT_EQ(one.size(), 2u);
  EXPECT_EQ(three.size(), 6u);
  EXPECT_TRUE(std::includes(three.begin(), three.end(), one.begin(), one.end()));
  for (const std::string& name : three) EXPECT_EQ(name.find_first_of(" ()"), std::string::npos) << name;
  for (const char* run : {"0", "1", "3"}) EXPECT_EQ(report::reported_epoch(phantoms / run + "/report.html"), 2) << run;
  expect_failure(attnunet_run(phantoms.train(phantoms / "x", {"--panels", "101"})), 2, {"--panels", "100"});
}

TEST_F(EpochFilesTest, ResumedRunHasThemAll) {
  expect_success(attnunet_run(with_epochs(phantoms.train(phantoms / "whole", {"--panels", "2"}), "3")));
  expect_success(attnunet_run(phantoms.train(phantoms / "run", {"--panels", "2"})));
  expect_success(resume("run", {"--epochs", "3", "--out", phantoms / "other"}));
  expect_same_panels("other", "whole");
  EXPECT_EQ(read_json(phantoms / "other/config.json")["panels"], 2);
  // From an earlier state in the same folder: what came after it goes.
  write_text(phantoms / "run/epochs/epoch-007-x.png", "");
  expect_success(resume("run", {"--epochs", "3"}));
  expect_same_panels("run", "whole");
  const std::string page = read_text(phantoms / "run/report.html");
  for (const char* epoch : {"after epoch 1\"", "after epoch 2\"", "after epoch 3\""})
    EXPECT_NE(page.find(epoch), std::string::npos) << epoch;
  // The number of panels may differ, and then those of the last epoch are there.
  expect_success(resume("run", {"--panels", "3"}));
  EXPECT_EQ(panels_in(phantoms / "run").size(), 7u);
}

TEST_F(EpochFilesTest, WhatIsMissingIsMadeUpFor) {
  expect_success(attnunet_run(phantoms.train(phantoms / "whole")));
  expect_success(attnunet_run(phantoms.train(phantoms / "run")));
  fs::remove_all(phantoms / "run/report.html");
  fs::remove(phantoms / ("run/epochs/" + *panels_in(phantoms / "run").rbegin()));
  expect_success(resume("run", {}));
  expect_same_panels("run", "whole");
  EXPECT_EQ(report::reported_epoch(phantoms / "run/report.html"), 2);
}

// A full disk: the epoch's checkpoint is there, its files come when the run is resumed.
TEST_F(EpochFilesTest, FailureLosesNoEpoch) {
  // Of few training cases, and with six panels, the report of one epoch is larger than the checkpoint.
  const std::vector<std::string> options{"--folds", "2", "--panels", "6"};
  expect_success(attnunet_run(phantoms.train(phantoms / "whole", options)));
  expect_success(attnunet_run(with_epochs(phantoms.train(phantoms / "run", options), "0")));
  const auto size_of = [&](const char* name) { return fs::file_size(phantoms / "whole" + "/" + name); };
  ProcessOptions limited;
  limited.largest_file = size_of("last.safetensors") + 2000;
  ASSERT_GT(size_of("report.html"), limited.largest_file);
  expect_failure(resume("run", {"--epochs", "2"}, limited), 1, {"report.html", "File too large"});
  EXPECT_FALSE(fs::exists(phantoms / "run/report.html"));
  EXPECT_EQ(load_checkpoint(phantoms / "run/last.safetensors").epoch, 1);
  expect_success(resume("run", {}));
  expect_same_panels("run", "whole");
  EXPECT_TRUE(read_text(phantoms / "run/last.safetensors") == read_text(phantoms / "whole/last.safetensors"));
}

TEST_F(EpochFilesTest, AFileWhereTheFolderShouldBe) {
  fs::create_directories(phantoms / "run");
  write_text(phantoms / "run/epochs", "");
  expect_failure(attnunet_run(phantoms.train(phantoms / "run")), 1, {"run/epochs"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
