// tools/reproduce.sh on phantoms, with the smallest networks.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <regex>

#include "support/predict.h"
#include "support/python.h"
#include "support/text.h"

namespace attnunet {
namespace TEST_FILE {

class Reproduce : public testing::Test {
 protected:
  PhantomFolder phantoms;

  void SetUp() override {
    if (pythons_with({"json"}).empty()) GTEST_SKIP() << "needs python3";
  }

  Finished reproduce(const std::string& recipe, const std::vector<std::string>& more,
                     const ProcessOptions& options = {}) const {
    std::vector<std::string> arguments = {source_folder() + "/tools/reproduce.sh",
                                          recipe,
                                          "--attnunet",
                                          program(),
                                          "--data",
                                          phantoms.data,
                                          "--out",
                                          phantoms / recipe,
                                          "--base",
                                          "2",
                                          "--size",
                                          "32",
                                          "--batch",
                                          "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_process(arguments, options);
  }
  std::string table(const std::string& recipe) const { return read_text(phantoms / (recipe + "/table.md")); }
};

// Table I beside ours: of every column of it a number of metrics.csv or of audit.
TEST_F(Reproduce, Paper) {
  const Finished finished = reproduce("paper", {"--epochs", "1"});
  expect_success(finished);
  EXPECT_TRUE(std::regex_search(finished.out, std::regex("paper: trainings: 2, epochs of each: 1, .* on this machine")))
      << finished.out;
  const std::string text = table("paper");
  const auto row = Predict::rows_of(phantoms / "paper/attention4/metrics.csv").at(0);
  char loss[40];
  std::snprintf(loss, sizeof loss, "%.4f", std::stod(row.at("val_loss")));
  EXPECT_TRUE(std::regex_search(
      text, std::regex("\\| validation loss \\| 0\\.0771 \\| [0-9.]+ \\| 0\\.0631 \\| " + std::string(loss) + " \\|")))
      << text;
  EXPECT_TRUE(std::regex_search(text, std::regex("training IoU \\| 0\\.4560 \\| [0-9.]+ \\| 0\\.4571"))) << text;
  EXPECT_NE(read_text(phantoms / "paper/compare.html").find("attention3"), std::string::npos);
}

// Ended in the middle, it goes on: the run has the bits of one that was not disturbed. That rows of metrics.csv are
// written before the checkpoint does not matter. And a folder of other runs is not taken for what is asked for.
TEST_F(Reproduce, BestGoesOnWhereItWasEnded) {
  const std::vector<std::string> epochs = {"--epochs", "6"};
  expect_success(reproduce("best", epochs));
  const std::string run = phantoms / "best/seed0", last = run + "/last.safetensors";
  const std::string text = table("best"), bytes = read_text(last), rows = read_text(run + "/metrics.csv");
  EXPECT_TRUE(std::regex_search(
      text, std::regex("\\| seed0 \\| chosen \\| all \\| [0-9]+ \\| [0-9.]+ \\([0-9.]+ to [0-9.]+\\)")))
      << text;
  std::filesystem::remove_all(phantoms / "best");

  ProcessOptions killed;
  killed.signal_when = [](const std::string& out) { return out.find("epoch 1") != std::string::npos ? SIGTERM : 0; };
  const Finished ended = reproduce("best", epochs, killed);
  EXPECT_EQ(ended.exit_code, 130);
  EXPECT_NE(ended.err.find("the same command goes on"), std::string::npos) << ended.err;
  EXPECT_NE(read_text(last), bytes);
  write_text(run + "/metrics.csv", rows);
  expect_success(reproduce("best", epochs));
  EXPECT_EQ(read_text(last), bytes);
  EXPECT_EQ(table("best"), text);

  for (const auto& [option, value] : {std::pair{"--epochs", "7"}, {"--base", "3"}, {"--size", "16"}}) {
    const Finished other = reproduce("best", {"--epochs", "6", option, value});
    EXPECT_EQ(other.exit_code, 1) << option;
    EXPECT_NE(other.err.find("name another --out"), std::string::npos) << other.err;
  }
}

TEST_F(Reproduce, BenchmarkPoolsInTheOrderOfTheLists) {
  const std::string lists = phantoms / "lists";
  std::filesystem::create_directories(lists);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(phantoms.data))
    if (entry.path().string().find("_mask") == std::string::npos && !entry.is_directory())
      names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  std::string train, val;
  for (std::size_t i = 0; i < names.size(); ++i) (i % 3 == 0 ? val : train) += names[i] + "\n";
  write_text(lists + "/busi_train2.txt", train);
  write_text(lists + "/busi_val2.txt", val);
  expect_success(reproduce("benchmark", {"--epochs", "1", "--lists", lists, "--list", "2"}));
  const std::string text = table("benchmark");
  for (const char* part : {"| list2 | last epoch | ", "| list2 | best epoch | ", "| mean | best epoch | "})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(Reproduce, MistakesAreNamed) {
  for (const auto& [option, words] :
       {std::pair<std::vector<std::string>, const char*>{{"--epochs", "0"}, "invalid whole value: '0'"},
        {{"--lists", "/none"}, "/none/busi_train1.txt is not there"},
        {{"--data", "/none"}, "/none is not there"}}) {
    const Finished wrong = reproduce("benchmark", option);
    EXPECT_EQ(wrong.exit_code, 2) << words;
    EXPECT_NE(wrong.err.find(words), std::string::npos) << wrong.err;
  }
  const Finished nothing = run_process({source_folder() + "/tools/reproduce.sh", "paper", "--attnunet", "/none"});
  EXPECT_EQ(nothing.exit_code, 2);
  EXPECT_NE(nothing.err.find("/none is no program: build it"), std::string::npos) << nothing.err;
}

}  // namespace TEST_FILE
}  // namespace attnunet
