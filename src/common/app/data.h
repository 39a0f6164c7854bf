// attnunet data: the commands on datasets.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

/// Sets exit_code to 130 where it was interrupted.
void add_data_command(CLI::App& app, int& exit_code);

}  // namespace attnunet::app
