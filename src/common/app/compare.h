// attnunet compare: several runs on one page, their curves on top of each other and a table side by side.
#pragma once

namespace attnunet::app {

class Command;

void add_compare_command(Command& app);

}  // namespace attnunet::app
