#include "common/app/command.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "common/core/error.h"
#include "common/core/quoting.h"

namespace attnunet::app {
namespace {

// A shell variable that is not set must not stand for the default.
const Rule not_empty{[](const std::string& text) {
                       return text.empty() ? "'' is empty: give it a value or leave it out" : std::string();
                     },
                     ""};

}  // namespace

Option* Option::check(const Rule& rule) {
  option_->check(
      CLI::Validator([complaint = rule.complaint](std::string& text) { return complaint(text); }, rule.range));
  return this;
}

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::delimiter(char separator) {
  option_->delimiter(separator);
  return this;
}

Option* Option::expected(int least, int most) {
  option_->expected(least, most);
  return this;
}

Option* Option::default_str(std::string shown) {
  option_->default_str(std::move(shown));
  return this;
}

Option* Option::excludes(Option* other) {
  option_->excludes(other->option_);
  return this;
}

Command* Command::add_subcommand(const std::string& name, const std::string& description) {
  subcommands_.push_back(std::make_unique<Command>(app_->add_subcommand(name, description)));
  return subcommands_.back().get();
}

void Command::require_subcommand() {
  app_->require_subcommand(1);
}

Option* Command::keep(CLI::Option* option) {
  options_.push_back(std::make_unique<Option>(option));
  return options_.back().get();
}

Option* Command::add_option(const std::string& name, int& value, const std::string& description) {
  return keep(app_->add_option(name, value, description));
}

Option* Command::add_option(const std::string& name, Index& value, const std::string& description) {
  return keep(app_->add_option(name, value, description));
}

Option* Command::add_option(const std::string& name, std::uint64_t& value, const std::string& description) {
  return keep(app_->add_option(name, value, description));
}

Option* Command::add_option(const std::string& name, double& value, const std::string& description) {
  return keep(app_->add_option(name, value, description));
}

Option* Command::add_option(const std::string& name, std::optional<int>& value, const std::string& description) {
  return keep(app_->add_option(name, value, description));
}

Option* Command::add_option(const std::string& name, std::optional<double>& value, const std::string& description) {
  return keep(app_->add_option(name, value, description));
}

Option* Command::add_option(const std::string& name, std::string& value, const std::string& description) {
  return keep(app_->add_option(name, value, description))->check(not_empty);
}

Option* Command::add_option(const std::string& name, std::vector<std::string>& value, const std::string& description) {
  return keep(app_->add_option(name, value, description))->check(not_empty);
}

Option* Command::add_option_function(const std::string& name, const std::function<void(const std::string&)>& set,
                                     const std::string& description) {
  return keep(app_->add_option_function(name, set, description));
}

Option* Command::add_flag(const std::string& name, bool& value, const std::string& description) {
  return keep(app_->add_flag(name, value, description));
}

Option* Command::get_option(const std::string& name) {
  return keep(app_->get_option(name));
}

std::size_t Command::count(const std::string& name) const {
  return app_->count(name);
}

std::set<std::string> Command::given() const {
  std::set<std::string> names;
  for (const CLI::Option* option : std::as_const(*app_).get_options())
    if (option->count() > 0) names.insert(option->get_single_name());
  return names;
}

void Command::callback(std::function<void()> run) {
  app_->callback(std::move(run));
}

CommandLine::CommandLine(const std::string& name, const std::string& description, const std::string& version)
    : parser_(std::make_unique<CLI::App>(description, name)), program_(std::make_unique<Command>(parser_.get())) {
  parser_->set_version_flag("--version", version);
  parser_->option_defaults()->always_capture_default();
}

CommandLine::~CommandLine() = default;

// The word in place of a command if it is none; CLI11 only says that a command is missing.
void CommandLine::refuse_unknown_command(int argc, const char* const* argv) const {
  const auto command_of = [](const CLI::App* app, const char* name) -> const CLI::App* {
    for (const CLI::App* one : app->get_subcommands({}))
      if (one->get_name() == name) return one;
    return nullptr;
  };
  const CLI::App* app = parser_.get();
  int i = 1;
  for (; i < argc && command_of(app, argv[i]) != nullptr; ++i) app = command_of(app, argv[i]);
  if (i == argc || argv[i][0] == '-' || app->get_require_subcommand_min() == 0) return;
  std::string list;
  for (const CLI::App* command : app->get_subcommands({})) list += (list.empty() ? "" : ", ") + command->get_name();
  throw UsageError(quoted(argv[i]) + " is no command: one of " + list);
}

void CommandLine::run(int argc, const char* const* argv) {
  try {
    parser_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) {
      refuse_unknown_command(argc, argv);
      throw UsageError(std::string(error.what()) + " (attnunet --help, attnunet COMMAND --help)");
    }
    parser_->exit(error);
  }
}

}  // namespace attnunet::app
