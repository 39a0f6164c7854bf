// attnunet bench: how fast a training step, inference and every layer are on this machine.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_bench_command(CLI::App& app);

}  // namespace attnunet::app
