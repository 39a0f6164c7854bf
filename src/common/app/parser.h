// The whole command line: every command with its options.
#pragma once

#include <memory>

#include "common/app/command.h"

namespace attnunet::app {

/// `exit_code` becomes 130 if the command that runs is interrupted; it must outlive the command line.
std::unique_ptr<CommandLine> make_command_line(int& exit_code);

}  // namespace attnunet::app
