// attnunet data synth: a dataset of phantoms in BUSI's layout.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

void add_data_command(CLI::App& app);

}  // namespace attnunet::app
