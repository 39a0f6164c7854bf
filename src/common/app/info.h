// attnunet info: a network layer by layer.
#pragma once

namespace attnunet::app {

class Command;

void add_info_command(Command& app);

}  // namespace attnunet::app
