// attnunet bench: how fast a training step, inference and every layer are on this machine.
#pragma once

namespace attnunet::app {

class Command;

void add_bench_command(Command& app);

}  // namespace attnunet::app
