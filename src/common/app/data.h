// attnunet data: the commands on datasets.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_data_command(CLI::App& app);

}  // namespace attnunet::app
