// attnunet compare: several runs on one page, their curves on top of each other and a table side by side.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_compare_command(CLI::App& app);

}  // namespace attnunet::app
