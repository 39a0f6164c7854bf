#include "common/io/machine.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace attnunet {
namespace {

namespace fs = std::filesystem;

/// The first number of a file; none if it has none, as in "max".
std::optional<double> number_in(const fs::path& path) {
  std::ifstream file(path);
  double value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

/// The value after a word at the beginning of a line, as in "MemAvailable:  123 kB".
std::optional<double> entry_of(const fs::path& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    double value = 0;
    if (words >> word >> value && word == key) return value;
  }
  return std::nullopt;
}

struct Groups {
  bool second_version = true;
  std::vector<fs::path> folders;  ///< of this process' group and of all above it, as far as they may exist
};

/// The groups that a controller ("cpu", "memory") limits this process by. A line of /proc/self/cgroup is
/// "4:cpu,cpuacct:/a/b" in version 1 and "0::/a/b" in version 2; both may be there.
Groups groups_of(const fs::path& root, const std::string& controller) {
  Groups groups;
  fs::path base = root / "sys/fs/cgroup", place;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool ours = controllers.find("," + controller + ",") != std::string::npos;
    if (!ours && !(controllers == ",," && groups.second_version)) continue;
    place = fs::path(line.substr(second + 1)).relative_path();
    if (ours) groups.second_version = false;
  }
  if (!groups.second_version) base /= controller;
  // Seen from a container the path may be the host's: then only the container's own group is there.
  groups.folders.push_back(base);
  for (const fs::path& part : place) groups.folders.push_back(groups.folders.back() / part);
  return groups;
}

}  // namespace

std::optional<double> cgroup_processors(const fs::path& root) {
  const Groups groups = groups_of(root, "cpu");
  std::optional<double> least;
  for (const fs::path& folder : groups.folders) {
    std::optional<double> quota, period;
    if (groups.second_version) {
      std::ifstream file(folder / "cpu.max");
      double first = 0, second = 0;
      if (file >> first >> second) {
        quota = first;
        period = second;
      }
    } else {
      quota = number_in(folder / "cpu.cfs_quota_us");
      period = number_in(folder / "cpu.cfs_period_us");
    }
    if (!quota || !period || *quota <= 0 || *period <= 0) continue;
    least = std::min(least.value_or(std::numeric_limits<double>::max()), *quota / *period);
  }
  return least;
}

int all_cores() {
  const char* asked = std::getenv("OMP_NUM_THREADS");
  int threads = 0;
  if (asked != nullptr && std::from_chars(asked, asked + std::strlen(asked), threads).ec == std::errc() && threads >= 1)
    return threads;

  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cores = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask)
                                                            : static_cast<int>(std::thread::hardware_concurrency());
  if (const std::optional<double> granted = cgroup_processors())
    cores = static_cast<int>(std::min<double>(cores, std::ceil(*granted)));
  return std::max(cores, 1);
}

std::int64_t free_memory(const fs::path& root) {
  constexpr double unlimited = static_cast<double>(std::numeric_limits<std::int64_t>::max() / 2);
  double free = unlimited;
  if (const auto kilobytes = entry_of(root / "proc/meminfo", "MemAvailable:")) free = 1024 * *kilobytes;
  const Groups groups = groups_of(root, "memory");
  const bool second = groups.second_version;
  for (const fs::path& folder : groups.folders) {
    const auto limit = number_in(folder / (second ? "memory.max" : "memory.limit_in_bytes"));
    const auto used = number_in(folder / (second ? "memory.current" : "memory.usage_in_bytes"));
    if (!limit || !used) continue;
    double cache = 0;
    for (const char* kind : {"active_file", "inactive_file"})
      cache += entry_of(folder / "memory.stat", (second ? "" : "total_") + std::string(kind)).value_or(0);
    free = std::min(free, std::max(0.0, *limit - *used + cache));
  }
  return free < unlimited ? static_cast<std::int64_t>(free) : std::numeric_limits<std::int64_t>::max();
}

}  // namespace attnunet
