#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/app_help.h"
#include "client/cli/help_formatter.h"

namespace attendant::cli {
namespace {

// A line that begins with a dot or a quote would be a request to roff.
std::string Roff(const std::string& text) {
  std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"\n.", "\n\\&."}, {"\n'", "\n\\&'"}});
  if (!escaped.empty() && (escaped[0] == '.' || escaped[0] == '\'')) escaped.insert(0, "\\&");
  return escaped;
}

std::string Option(const CLI::Option& option) {
  const std::vector<std::string> names = OptionNames(option);
  const std::string shown = names.empty() ? option.get_name() : absl::StrJoin(names, ", ");
  std::string text = absl::StrCat(".TP\n\\fB", Roff(shown), "\\fR", Roff(HelpFormatter().make_option_opts(&option)),
                                  "\n", Roff(option.get_description()));
  if (TakesValue(option) && !option.get_default_str().empty()) {
    absl::StrAppend(&text, " (default ", Roff(option.get_default_str()), ")");
  }
  return absl::StrCat(text, "\n");
}

// Who sets them does so for all commands, so they are told once.
std::string Environment(const CLI::App& app) {
  std::map<std::string, std::string> variables = {
      {"ATTENDANT_API_KEY", "API key to send; not a flag, because everybody on the machine can read a command line"}};
  for (const CLI::App* command : Commands(app)) {
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_envname().empty())
        variables.emplace(option->get_envname(), option->get_name() + ": " + option->get_description());
    }
  }
  std::string text;
  for (const auto& [name, meaning] : variables) {
    absl::StrAppend(&text, ".TP\n.B ", Roff(name), "\n", Roff(meaning), "\n");
  }
  return text;
}

}  // namespace

std::string ManPage(const CLI::App& app) {
  std::string page = absl::StrCat(".TH ATTENDANT 1 \"\" \"Attendant ", ATTENDANT_VERSION,
                                  "\" \"User Commands\"\n.SH NAME\nattendant \\- ", Roff(app.get_description()),
                                  "\n.SH SYNOPSIS\n.B attendant\n\\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.SH COMMANDS\n");
  for (const CLI::App* command : Commands(app)) {
    absl::StrAppend(&page, ".SS ", Roff(command->get_name()), "\n", Roff(command->get_description()), ".\n");
    for (const CLI::Option* option : command->get_options()) {
      if (option->get_name() != "--help") absl::StrAppend(&page, Option(*option));
    }
  }
  return absl::StrCat(page, ".SH ENVIRONMENT\n", Environment(app), ".SH NOTES\n",
                      Roff(std::string(absl::StripAsciiWhitespace(app.get_footer()))), "\n");
}

}  // namespace attendant::cli
