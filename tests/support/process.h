// Runs a program as a shell would: arguments in; exit code, standard output and standard error out.
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace attnunet {

struct Finished {
  int exit_code = -1;  ///< 128 + signal where one ended it, as in a shell
  std::string out, err;
};

struct ProcessOptions {
  std::string folder;               ///< to run in; the current one where empty
  bool interrupts_ignored = false;  ///< start with SIGINT and SIGTERM ignored, as nohup and background jobs are
  rlim_t largest_file = RLIM_INFINITY;
  bool permissions_bind_root = false;         ///< without what lets root write where nobody may
  std::chrono::microseconds killed_after{0};  ///< SIGKILL so long after its start; never where 0
  /// Called with what came on standard output so far; returns a signal to send, or 0. One signal is sent at most.
  std::function<int(const std::string& out)> signal_when;
};

Finished run_process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});

}  // namespace attnunet
