// attnunet data convert: a dataset written again in another layout.
#pragma once

namespace attnunet::app {

class Command;

/// `data`: the command it is a part of. Sets exit_code to 130 if it was interrupted.
void add_data_convert_command(Command& data, int& exit_code);

}  // namespace attnunet::app
