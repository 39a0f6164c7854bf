// What this process may use of the machine: processors and memory.
//
// A container sees all of its host's processors and memory, whatever it was given of them. Its share is in the files of
// its control group (cgroup): in version 2 cpu.max, memory.max, memory.current and memory.stat below /sys/fs/cgroup, in
// version 1 cpu.cfs_quota_us, memory.limit_in_bytes and others below /sys/fs/cgroup/cpu and /sys/fs/cgroup/memory.
// /proc/self/cgroup names the group; the limits of all groups above it hold too. Files that are missing limit nothing.
// Sources: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; proc(5).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace attnunet {

/// The processor time that the control groups grant, in processors: 1.5 is one and a half. None if they set no limit.
/// `root`: of the file system.
std::optional<double> cgroup_processors(const std::filesystem::path& root = "/");

/// How many threads work unless --threads says otherwise: OMP_NUM_THREADS if it begins with a whole number from 1 on;
/// else the processors of the affinity mask (sched_setaffinity, taskset), but no more than the control groups grant,
/// rounded up. At least 1.
int all_cores();

/// Bytes of memory that can still be used without swapping (MemAvailable) and without meeting a limit of the control
/// groups, in which memory that only caches files counts as free. The largest number if nothing is known.
std::int64_t free_memory(const std::filesystem::path& root = "/");

}  // namespace attnunet
