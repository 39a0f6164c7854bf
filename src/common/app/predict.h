// attnunet predict: masks, and pictures of how they came about, of one's own images.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

/// Sets exit_code to 130 where it was interrupted.
void add_predict_command(CLI::App& app, int& exit_code);

}  // namespace attnunet::app
