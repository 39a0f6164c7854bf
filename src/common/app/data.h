// attnunet data: the commands on datasets.
#pragma once

namespace attnunet::app {

class Command;

/// Sets exit_code to 130 if it was interrupted.
void add_data_command(Command& app, int& exit_code);

}  // namespace attnunet::app
