// attnunet data check: what is odd in a dataset. Exit code 0 whatever it finds; 1 where there is no dataset to check.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

/// `data`: the command it is a part of.
void add_data_check_command(CLI::App& data);

}  // namespace attnunet::app
