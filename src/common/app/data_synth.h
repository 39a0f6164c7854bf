// attnunet data synth: a dataset of phantoms in BUSI's layout.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

/// `data`: the command it is a part of.
void add_data_synth_command(CLI::App& data);

}  // namespace attnunet::app
