// The command line described for other programs: completion scripts and a manual page, made from the declared flags, so
// that they cannot say anything else than --help does.
//
// Includes CLI11. Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_APP_HELP_H_
#define ATTENDANT_CLIENT_CLI_APP_HELP_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace attendant::cli {

std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);  // through zsh's own bashcompinit
std::string FishCompletion(const CLI::App& app);

// In roff, for `man -l`.
std::string ManPage(const CLI::App& app);

// "embed", "similarity", ... in the order of --help.
std::vector<const CLI::App*> Commands(const CLI::App& app);
// "--truncation", "-o"; of a flag that can be negated both forms.
std::vector<std::string> OptionNames(const CLI::Option& option);
// Of an option whose values are listed: those; else empty.
std::vector<std::string> Choices(const CLI::Option& option);
bool TakesValue(const CLI::Option& option);
bool TakesFile(const CLI::Option& option);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_APP_HELP_H_
