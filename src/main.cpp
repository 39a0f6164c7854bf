// Exit codes and what stands on standard error. The commands are in src/common/app.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <new>
#include <string>

#include "common/app/parser.h"
#include "common/core/error.h"
#include "common/core/quoting.h"
#include "common/io/signals.h"

namespace {

enum ExitCode { done = 0, failed = 1, wrong_usage = 2 };

int fail(ExitCode code, std::string message) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "attnunet: %s\n", message.c_str());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace attnunet;
  restore_interrupts();
  // Beyond a limit on file sizes write() then fails like on a full disk, with a message, instead of killing us.
  std::signal(SIGXFSZ, SIG_IGN);
  // Whoever follows a log sees each line as it is printed.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);

  int exit_code = done;
  const std::unique_ptr<app::CommandLine> command_line = app::make_command_line(exit_code);
  try {
    command_line->run(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      return fail(failed, "standard output cannot be written: is its disk full?");
    return exit_code;
  } catch (const UsageError& error) {
    return fail(wrong_usage, error.what());
  } catch (const std::bad_alloc&) {
    return fail(failed, "not enough memory: smaller images, --batch or --size need less");
  } catch (const std::filesystem::filesystem_error& error) {
    return fail(failed, quoted(error.path1()) + ": " + error.code().message() + "; check the path");
  } catch (const std::exception& error) {
    return fail(failed, error.what());
  }
}
