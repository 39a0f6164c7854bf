// The program that holds src/cpu once for each instruction set: which it runs, and that the sets agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "support/command_line.h"

namespace attnunet {
namespace TEST_FILE {

Finished run_with_set(const std::string& set, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"/usr/bin/env", "ATTNUNET_CPU=" + set, program()});
  return run_process(arguments);
}

/// What `info` says, e.g. used "x86-64-v3", built {"x86-64-v4", "x86-64-v3", "x86-64"}.
struct Sets {
  std::string used;
  std::vector<std::string> built;

  explicit Sets(const std::string& info) {
    const std::string title = "\ninstruction set       ", list = "this build has ";
    const std::size_t begin = info.find(title), end = info.find('\n', begin + 1);
    if (begin == std::string::npos || end == std::string::npos) return;
    const std::string line = info.substr(begin + title.size(), end - begin - title.size());
    used = line.substr(0, line.find(' '));
    std::istringstream names(line.substr(line.find(list) + list.size()));
    for (std::string name; std::getline(names >> std::ws, name, ',');) built.push_back(name);
  }
};

/// The sets of the program that run here; none where it is built for a single one.
std::vector<std::string> sets_here() {
  const Finished info = attnunet_run({"info"});
  expect_success(info);
  const Sets sets(info.out);
  EXPECT_FALSE(sets.used.empty()) << info.out;
  std::vector<std::string> here;
  if (sets.built.size() < 2) return here;
  for (const std::string& set : sets.built)
    if (run_with_set(set, {"info"}).exit_code == 0) here.push_back(set);
  EXPECT_FALSE(here.empty());
  EXPECT_EQ(here.empty() ? "" : here.front(), sets.used) << "the best is chosen";
  return here;
}

TEST(InstructionSet, IsTheOneAskedFor) {
  const std::vector<std::string> here = sets_here();
  if (here.empty()) GTEST_SKIP() << "this build is for one instruction set";
  for (const std::string& set : here) EXPECT_EQ(Sets(run_with_set(set, {"info"}).out).used, set);
  for (const std::string& set : Sets(attnunet_run({"info"}).out).built)
    if (std::find(here.begin(), here.end(), set) == here.end())
      expect_failure(run_with_set(set, {"info"}), 2, {"ATTNUNET_CPU=" + set, "lacks"});
  for (const char* set : {"avx2", "x86-64-v", ""})
    expect_failure(run_with_set(set, {"info"}), 2, {"ATTNUNET_CPU", "x86-64-v4, x86-64-v3, x86-64"});
}

// Rounding differs (with multiply-adds contracted or not, sums cut by the width of vectors), nothing else.
TEST(InstructionSet, ChangesATrainingByRoundingOnlyAndNeverByThreads) {
  const std::vector<std::string> here = sets_here();
  if (here.empty()) GTEST_SKIP() << "this build is for one instruction set";
  const PhantomFolder folder;
  std::vector<double> losses;
  for (const std::string& set : here) {
    const std::string one = folder / set, two = folder / set + "-threads";
    std::vector<std::string> train = folder.train(two);
    train.back() = "3";  // threads
    expect_success(run_with_set(set, folder.train(one)));
    expect_success(run_with_set(set, train));
    EXPECT_EQ(read_text(one + "/last.safetensors"), read_text(two + "/last.safetensors")) << set;
    std::istringstream row(read_text(one + "/metrics.csv"));
    std::string field;
    std::getline(row, field);
    for (int i = 0; i < 4; ++i) std::getline(row, field, ',');
    losses.push_back(std::stod(field));
    EXPECT_NEAR(losses.back(), losses.front(), 1e-3 * losses.front()) << set;
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
