// The whole command line: every command with its options.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace attnunet::app {

/// Parsing runs the command. `exit_code` becomes 130 where it was interrupted; it must outlive the parser.
std::unique_ptr<CLI::App> make_parser(int& exit_code);

}  // namespace attnunet::app
