#include "common/app/data.h"

#include "common/app/data_show.h"
#include "common/app/data_synth.h"

namespace attnunet::app {

void add_data_command(CLI::App& app, int& exit_code) {
  CLI::App& data = *app.add_subcommand("data", "Datasets");
  data.require_subcommand(1);
  add_data_synth_command(data);
  add_data_show_command(data, exit_code);
}

}  // namespace attnunet::app
