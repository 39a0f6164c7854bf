// attnunet evaluate: the metrics of a checkpoint on a dataset.
#pragma once

namespace attnunet::app {

class Command;

/// Sets exit_code to 130 if it was interrupted.
void add_evaluate_command(Command& app, int& exit_code);

}  // namespace attnunet::app
