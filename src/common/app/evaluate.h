// attnunet evaluate: the metrics of a checkpoint on a dataset.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

/// Sets exit_code to 130 where it was interrupted.
void add_evaluate_command(CLI::App& app, int& exit_code);

}  // namespace attnunet::app
