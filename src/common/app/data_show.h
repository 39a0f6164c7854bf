// attnunet data show: the images of a dataset with the outline of their true mask, one by one or on a sheet.
#pragma once

namespace attnunet::app {

class Command;

/// `data`: the command it is a part of. Sets exit_code to 130 if it was interrupted.
void add_data_show_command(Command& data, int& exit_code);

}  // namespace attnunet::app
