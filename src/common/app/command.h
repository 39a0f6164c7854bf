// The command line as the commands see it: subcommands, their options, and rules for what an option takes.
//
// CLI11 does the work. It is one header of inline code, which takes every file that includes it several seconds to
// compile, so command.cpp alone includes it and the classes here stand for its own, under the same names.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/core/geometry.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace attnunet::app {

/// What the text of an option must be.
struct Rule {
  std::function<std::string(const std::string& text)> complaint;  ///< what is wrong with the text; "" if nothing is
  std::string range;                                              ///< as --help shows it
};

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option* check(const Rule& rule);
  Option* required();
  Option* delimiter(char separator);       ///< one argument holds several values
  Option* expected(int least, int most);   ///< so many values
  Option* default_str(std::string shown);  ///< what --help shows as the default
  Option* excludes(Option* other);

 private:
  CLI::Option* option_;
};

/// A command, or the program itself. Options and subcommands live as long as it does.
class Command {
 public:
  explicit Command(CLI::App* app) : app_(app) {}

  Command* add_subcommand(const std::string& name, const std::string& description);
  void require_subcommand();  ///< exactly one

  /// `value` holds the default and gets what is given.
  Option* add_option(const std::string& name, int& value, const std::string& description);
  Option* add_option(const std::string& name, Index& value, const std::string& description);
  Option* add_option(const std::string& name, std::uint64_t& value, const std::string& description);
  Option* add_option(const std::string& name, double& value, const std::string& description);
  Option* add_option(const std::string& name, std::optional<int>& value, const std::string& description);
  Option* add_option(const std::string& name, std::optional<double>& value, const std::string& description);
  Option* add_option(const std::string& name, std::string& value, const std::string& description);
  Option* add_option(const std::string& name, std::vector<std::string>& value, const std::string& description);
  /// `set` gets the text that is given.
  Option* add_option_function(const std::string& name, const std::function<void(const std::string& text)>& set,
                              const std::string& description);
  Option* add_flag(const std::string& name, bool& value, const std::string& description);

  Option* get_option(const std::string& name);
  /// How often the option is on the command line.
  std::size_t count(const std::string& name) const;
  /// The options on the command line, without dashes.
  std::set<std::string> given() const;
  /// Called when this command is asked for and everything on the command line is parsed.
  void callback(std::function<void()> run);

 private:
  Option* keep(CLI::Option* option);

  CLI::App* app_;
  std::vector<std::unique_ptr<Option>> options_;
  std::vector<std::unique_ptr<Command>> subcommands_;
};

/// A program with commands.
class CommandLine {
 public:
  CommandLine(const std::string& name, const std::string& description, const std::string& version);
  ~CommandLine();

  Command& program() { return *program_; }
  CLI::App& parser() { return *parser_; }

  /// Runs the command that is asked for, or prints help or the version. Throws UsageError if there is no such command
  /// or option, or a value breaks its rule; and what the command throws.
  void run(int argc, const char* const* argv);

 private:
  void refuse_unknown_command(int argc, const char* const* argv) const;

  std::unique_ptr<CLI::App> parser_;
  std::unique_ptr<Command> program_;
};

}  // namespace attnunet::app
