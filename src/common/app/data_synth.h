// attnunet data synth: a dataset of phantoms in BUSI's layout.
#pragma once

namespace attnunet::app {

class Command;

/// `data`: the command it is a part of.
void add_data_synth_command(Command& data);

}  // namespace attnunet::app
