#include "support/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

namespace attnunet {

Finished run_process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("fork failed");
  if (child == 0) {
    dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
    for (int number : {SIGINT, SIGTERM}) signal(number, options.interrupts_ignored ? SIG_IGN : SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    if (options.largest_file != RLIM_INFINITY) {
      const rlimit limit{options.largest_file, options.largest_file};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (options.permissions_bind_root && geteuid() == 0 && prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) != 0) _exit(125);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);

  Finished finished;
  pollfd sources[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  std::string* sinks[2] = {&finished.out, &finished.err};
  bool signalled = !options.signal_when;
  const auto kill_time = std::chrono::steady_clock::now() + options.killed_after;
  bool killed = options.killed_after.count() == 0;
  for (int open_sources = 2; open_sources > 0;) {
    timespec patience{1, 0};
    if (!killed) {
      const auto left = std::chrono::nanoseconds(kill_time - std::chrono::steady_clock::now()).count();
      if (left <= 0) {
        kill(child, SIGKILL);
        killed = true;
      } else if (left < 1000000000) {
        patience = {0, left};
      }
    }
    ppoll(sources, 2, &patience, nullptr);
    for (int i = 0; i < 2; ++i) {
      if (sources[i].revents == 0) continue;
      char buffer[4096];
      const ssize_t count = read(sources[i].fd, buffer, sizeof buffer);
      if (count > 0) {
        sinks[i]->append(buffer, static_cast<std::size_t>(count));
      } else {
        close(sources[i].fd);
        sources[i].fd = -1;
        --open_sources;
      }
    }
    if (signalled) continue;
    if (const int number = options.signal_when(finished.out)) {
      kill(child, number);
      signalled = true;
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  finished.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

}  // namespace attnunet
