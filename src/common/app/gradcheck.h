// attnunet gradcheck: analytic against numeric gradients of every layer, block and network.
#pragma once

namespace attnunet::app {

class Command;

void add_gradcheck_command(Command& app);

}  // namespace attnunet::app
