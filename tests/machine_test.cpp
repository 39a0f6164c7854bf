#include "common/io/machine.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "support/command_line.h"

namespace attnunet {
namespace TEST_FILE {

namespace fs = std::filesystem;

/// A root folder with the files that a kernel would show.
struct FakeRoot : TemporaryFolder {
  void file(const std::string& name, const std::string& text) const {
    fs::create_directories((*this / name).parent_path());
    write_text(*this / name, text);
  }
};

TEST(Machine, ProcessorsOfVersionTwo) {
  const FakeRoot root;
  EXPECT_FALSE(cgroup_processors(root.path()));
  root.file("proc/self/cgroup", "0::/a/b\n");
  root.file("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  EXPECT_FALSE(cgroup_processors(root.path()));
  root.file("sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
  EXPECT_EQ(cgroup_processors(root.path()), 3.0);
  root.file("sys/fs/cgroup/a/cpu.max", "75000 50000\n");  // a group above it grants less
  EXPECT_EQ(cgroup_processors(root.path()), 1.5);
}

// Within a container: the path is the host's, what is mounted is the container's own group.
TEST(Machine, ProcessorsOfAContainer) {
  const FakeRoot root;
  root.file("proc/self/cgroup", "0::/system.slice/docker-12.scope\n");
  root.file("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(cgroup_processors(root.path()), 2.0);
}

TEST(Machine, ProcessorsOfVersionOne) {
  const FakeRoot root;
  root.file("proc/self/cgroup", "3:memory:/m\n2:cpu,cpuacct:/a\n0::/unified\n");
  root.file("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  root.file("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(cgroup_processors(root.path()));
  root.file("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
  EXPECT_EQ(cgroup_processors(root.path()), 0.5);
}

TEST(Machine, MemoryOfTheMachine) {
  const FakeRoot root;
  EXPECT_EQ(free_memory(root.path()), std::numeric_limits<std::int64_t>::max());
  root.file("proc/meminfo", "MemTotal:       65000000 kB\nMemFree:         1000 kB\nMemAvailable:    2000 kB\n");
  EXPECT_EQ(free_memory(root.path()), 2000 * 1024);
  EXPECT_GT(free_memory(), 0);
  EXPECT_LT(free_memory(), std::int64_t{1} << 50);
}

TEST(Machine, MemoryOfControlGroups) {
  const FakeRoot root;
  root.file("proc/meminfo", "MemAvailable: 1000000 kB\n");
  root.file("proc/self/cgroup", "0::/a/b\n");
  root.file("sys/fs/cgroup/a/b/memory.max", "max\n");
  root.file("sys/fs/cgroup/a/b/memory.current", "700\n");
  EXPECT_EQ(free_memory(root.path()), 1000000 * 1024);
  root.file("sys/fs/cgroup/a/memory.max", "1000\n");
  root.file("sys/fs/cgroup/a/memory.current", "800\n");
  root.file("sys/fs/cgroup/a/memory.stat", "anon 500\nactive_file 100\ninactive_file 50\n");
  EXPECT_EQ(free_memory(root.path()), 350);
  root.file("sys/fs/cgroup/a/memory.current", "1200\n");
  EXPECT_EQ(free_memory(root.path()), 0);

  const FakeRoot first;
  first.file("proc/self/cgroup", "4:memory:/x\n");
  first.file("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "5000\n");
  first.file("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "3000\n");
  first.file("sys/fs/cgroup/memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file 20\n");
  EXPECT_EQ(free_memory(first.path()), 2020);
}

TEST(Machine, ThreadsFollowTheAffinityMaskAndOpenMP) {
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (int i = 0; CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  const char* set = std::getenv("OMP_NUM_THREADS");
  const std::string kept = set == nullptr ? "" : set;
  unsetenv("OMP_NUM_THREADS");
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(all_cores(), 1);
  setenv("OMP_NUM_THREADS", "3,2", 1);
  EXPECT_EQ(all_cores(), 3);
  for (const char* nothing : {"", "0", "-4", "many"}) {
    setenv("OMP_NUM_THREADS", nothing, 1);
    EXPECT_EQ(all_cores(), 1) << nothing;
  }
  sched_setaffinity(0, sizeof before, &before);
  if (set == nullptr)
    unsetenv("OMP_NUM_THREADS");
  else
    setenv("OMP_NUM_THREADS", kept.c_str(), 1);
}

TEST(Machine, DefaultOfThreadsIsPrinted) {
  const PhantomFolder phantoms;
  std::vector<std::string> arguments = phantoms.train(phantoms / "run");
  arguments.resize(arguments.size() - 2);  // --threads 1
  *(std::find(arguments.begin(), arguments.end(), "--epochs") + 1) = "0";
  arguments.insert(arguments.begin(), {"/usr/bin/env", "OMP_NUM_THREADS=5", program()});
  const Finished finished = run_process(arguments);
  expect_success(finished);
  EXPECT_NE(finished.out.find(", 5 threads,"), std::string::npos) << finished.out;
}

// Terabytes are refused with both numbers, before there is a folder.
TEST(Machine, WhatDoesNotFitIntoMemoryIsRefused) {
  const PhantomFolder phantoms;
  const std::vector<std::string> large = {"--base",  "512", "--size",    "4096",
                                          "--batch", "16",  "--variant", "attention4"};
  std::vector<std::string> train = {"train", "--data", phantoms.data, "--out", phantoms / "run"};
  train.insert(train.end(), large.begin(), large.end());
  expect_failure(attnunet_run(train), 1, {"training needs", "of memory", "are free", "--batch, --size or --base"});
  EXPECT_FALSE(fs::exists(phantoms / "run"));
  std::vector<std::string> bench = {"bench"};
  bench.insert(bench.end(), large.begin(), large.end());
  expect_failure(attnunet_run(bench), 1, {"bench needs", "of memory", "are free"});
}

}  // namespace TEST_FILE
}  // namespace attnunet
