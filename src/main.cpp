// Argument parsing and exit codes. Each command is a file of src/common/app.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "common/app/audit.h"
#include "common/app/bench.h"
#include "common/app/data.h"
#include "common/app/evaluate.h"
#include "common/app/gradcheck.h"
#include "common/app/info.h"
#include "common/app/options.h"
#include "common/app/train.h"
#include "common/error.h"

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
  // Beyond a limit on file sizes write() then fails like on a full disk, with a message, instead of killing us.
  std::signal(SIGXFSZ, SIG_IGN);
  // Whoever follows a log sees each line as it is printed.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);

  CLI::App parser("Attention U-Nets for breast ultrasound, from scratch", "attnunet");
  parser.set_version_flag("--version", "attnunet " ATTNUNET_VERSION ", backends: " + app::built_backends());
  parser.require_subcommand(1);
  parser.option_defaults()->always_capture_default();
  int exit_code = done;
  app::add_train_command(parser, exit_code);
  app::add_evaluate_command(parser, exit_code);
  app::add_audit_command(parser, exit_code);
  app::add_gradcheck_command(parser);
  app::add_data_command(parser);
  app::add_info_command(parser);
  app::add_bench_command(parser);
  try {
    parser.parse(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      return fail(failed, "standard output cannot be written: is its disk full?");
    return exit_code;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return parser.exit(error);
    return fail(wrong_usage, std::string(error.what()) + " (attnunet --help, attnunet COMMAND --help)");
  } catch (const UsageError& error) {
    return fail(wrong_usage, error.what());
  } catch (const std::bad_alloc&) {
    return fail(failed, "not enough memory: a smaller --batch, --size or --base needs less");
  } catch (const std::exception& error) {
    return fail(failed, error.what());
  }
}
