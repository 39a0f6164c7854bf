#include "common/app/gradcheck.h"

#include <cstdio>
#include <memory>

#include "common/app/backend.h"
#include "common/app/options.h"
#include "common/error.h"

namespace attnunet::app {
namespace {

struct Options {
  std::string backend = "cpu", conv = "auto";
  int threads = 1;
};

bool run(const Options& options) {
  require_backend(options.backend, "float32", options.conv);
  std::printf("Analytic against central differences in double; errors are relative to the largest gradient.\n\n");
  std::printf("%-44s %-30s %8s %8s %10s %8s\n", "layer", "gradient of", "checked", "skipped", "error", "gate");
  int checks = 0, failures = 0;
  const auto report = [&](const gradcheck::Result& result) {
    const bool passed = result.passed();
    std::printf("%-44s %-30s %8lld %8lld %10.1e %8.0e  %s\n", result.layer.c_str(), result.tensor.c_str(),
                static_cast<long long>(result.checked), static_cast<long long>(result.skipped), result.relative_error(),
                gradcheck::gradient_gate, passed ? "ok" : "FAIL");
    ++checks;
    failures += passed ? 0 : 1;
  };
  with_backend<double>(options.backend, options.threads, "float32", options.conv,
                       [&](auto& device, auto b) { gradcheck::run_all<decltype(b)>(device, report); });
  std::printf("\n%d gradients checked, %d wrong\n", checks, failures);
  return checks > 0 && failures == 0;
}

}  // namespace

void add_gradcheck_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("gradcheck", "Check the gradients of every layer, both blocks and both networks numerically");
  add_backend_option(*command, options->backend);
  add_conv_option(*command, options->conv);
  command->add_option("--threads", options->threads, "OpenMP threads; the shapes are too small for more to help")
      ->check(whole_number(1, largest_threads));
  command->callback([options] {
    if (!run(*options)) throw Error("gradients are wrong: see the lines marked FAIL");
  });
}

}  // namespace attnunet::app
