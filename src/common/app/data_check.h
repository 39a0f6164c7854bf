// attnunet data check: what is odd in a dataset. Exit code 0 whatever it finds; 1 if there is no dataset to check.
#pragma once

namespace attnunet::app {

class Command;

/// `data`: the command it is a part of.
void add_data_check_command(Command& data);

}  // namespace attnunet::app
