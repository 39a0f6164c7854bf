// attnunet info: a network layer by layer.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_info_command(CLI::App& app);

}  // namespace attnunet::app
