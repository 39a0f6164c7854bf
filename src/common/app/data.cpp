#include "common/app/data.h"

#include "common/app/command.h"
#include "common/app/data_check.h"
#include "common/app/data_convert.h"
#include "common/app/data_show.h"
#include "common/app/data_synth.h"

namespace attnunet::app {

void add_data_command(Command& app, int& exit_code) {
  Command& data = *app.add_subcommand("data", "Datasets");
  data.require_subcommand();
  add_data_check_command(data);
  add_data_show_command(data, exit_code);
  add_data_convert_command(data, exit_code);
  add_data_synth_command(data);
}

}  // namespace attnunet::app
