// attnunet train: trains a network and writes a run folder.
#pragma once

namespace attnunet::app {

class Command;

/// Sets exit_code to 130 where the training was interrupted (its checkpoint is saved).
void add_train_command(Command& app, int& exit_code);

}  // namespace attnunet::app
