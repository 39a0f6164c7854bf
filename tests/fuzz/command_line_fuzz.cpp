// Bytes as a command line, an argument a line: every command, its options and their checks, without the work. It is
// taken, or is a ParseError or a UsageError.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "common/app/parser.h"
#include "common/core/error.h"

namespace {

/// All is parsed and checked; what is left is to run the command.
struct Parsed {};

std::unique_ptr<attnunet::app::CommandLine> command_line_without_work() {
  static int exit_code = 0;
  std::unique_ptr<attnunet::app::CommandLine> line = attnunet::app::make_command_line(exit_code);
  line->parser().parse_complete_callback([] { throw Parsed(); });
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const std::unique_ptr<attnunet::app::CommandLine> line = command_line_without_work();
  CLI::App& parser = line->parser();
  std::vector<std::string> arguments(1);
  for (std::size_t i = 0; i < size; ++i) {
    const char letter = static_cast<char>(bytes[i]);
    if (letter == '\n')
      arguments.emplace_back();
    else if (letter != '\0')  // execve's arguments have none
      arguments.back() += letter;
  }
  if (arguments.back().empty()) arguments.pop_back();
  std::vector<const char*> argv{"attnunet"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  try {
    parser.parse(static_cast<int>(argv.size()), argv.data());
  } catch (const Parsed&) {
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) parser.help();
  } catch (const attnunet::UsageError&) {
  }
  return 0;
}
