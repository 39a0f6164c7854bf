// attnunet train: trains a network and writes a run folder.
#pragma once

#include <CLI/CLI.hpp>

namespace attnunet::app {

/// Sets exit_code to 130 where the training was interrupted (its checkpoint is saved).
void add_train_command(CLI::App& app, int& exit_code);

}  // namespace attnunet::app
