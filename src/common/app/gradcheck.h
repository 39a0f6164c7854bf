// attnunet gradcheck: analytic against numeric gradients of every layer, block and network.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_gradcheck_command(CLI::App& app);

}  // namespace attnunet::app
