// How OpenMP threads wait (src/wait_policy.cpp), as libgomp itself reports it.
#include <gtest/gtest.h>
#include <link.h>
#include <unistd.h>

#include <cstring>

#include "support/command_line.h"

namespace attnunet {
namespace TEST_FILE {

/// libgomp's GOMP_SPINCOUNT in a program that is started with these variables set, and without ours.
std::string spin_count(std::vector<std::string> command, const std::vector<std::string>& variables = {}) {
  std::vector<std::string> arguments{"/usr/bin/env",           "-u", "GOMP_SPINCOUNT", "-u", "OMP_WAIT_POLICY",
                                     "OMP_DISPLAY_ENV=verbose"};
  arguments.insert(arguments.end(), variables.begin(), variables.end());
  arguments.insert(arguments.end(), command.begin(), command.end());
  const Finished finished = run_process(arguments);
  EXPECT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  const std::string title = "GOMP_SPINCOUNT = '";
  const std::size_t begin = finished.err.find(title);
  if (begin == std::string::npos) return "none in: " + finished.err;
  const std::size_t number = begin + title.size();
  return finished.err.substr(number, finished.err.find('\'', number) - number);
}

/// Where libgomp is a shared library, it reads its environment before any code of ours runs.
bool libgomp_is_shared() {
  return dl_iterate_phdr([](dl_phdr_info* object, std::size_t,
                            void*) { return std::strstr(object->dlpi_name, "libgomp") != nullptr ? 1 : 0; },
                         nullptr) != 0;
}

std::vector<std::vector<std::string>> programs() {
  char own[4096] = {};
  EXPECT_GT(readlink("/proc/self/exe", own, sizeof own - 1), 0);
  return {{program(), "info"}, {own, "--gtest_list_tests"}};
}

TEST(WaitPolicy, SpinsBrieflyHoweverTheProgramIsStarted) {
  if (libgomp_is_shared()) GTEST_SKIP() << "libgomp is a shared library in this build";
  auto commands = programs();
  commands.push_back({"/bin/sh", "-c", "exec '" + program() + "' info"});
  // An emulator without the instructions that the program is built for ends it with a signal.
  const std::vector<std::string> emulated{"/usr/bin/env", "qemu-x86_64", program(), "info"};
  if (run_process(emulated).exit_code == 0) commands.push_back(emulated);
  for (const auto& command : commands) {
    const std::string count = spin_count(command);
    EXPECT_NE(count, "300000") << command.front() << ": libgomp's default";
    EXPECT_GT(std::atol(count.c_str()), 0) << command.front() << ": " << count;
  }
}

TEST(WaitPolicy, IsTheUsersIfOneIsSet) {
  for (const auto& command : programs()) {
    EXPECT_EQ(spin_count(command, {"GOMP_SPINCOUNT=77"}), "77");
    EXPECT_EQ(spin_count(command, {"OMP_WAIT_POLICY=passive"}), "0");
    EXPECT_EQ(spin_count(command, {"OMP_WAIT_POLICY=active"}), "30000000000");
    EXPECT_EQ(spin_count(command, {"OMP_WAIT_POLICY=active", "GOMP_SPINCOUNT=5"}), "5");
  }
}

}  // namespace TEST_FILE
}  // namespace attnunet
