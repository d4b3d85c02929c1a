// How --help looks: one column for the flag and its values, one for what it does, wrapped to fit a terminal.
//
// CLI11's own formatter does not wrap, and spells out ranges and exclusions in the flag's column.
// Thread-safety: as CLI11 uses it, one thread.
#ifndef ATTENDANT_CLIENT_CLI_HELP_FORMATTER_H_
#define ATTENDANT_CLIENT_CLI_HELP_FORMATTER_H_

#include <CLI/CLI.hpp>
#include <string>

namespace attendant::cli {

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
};

// Words of text in lines of at most width characters, all but the first indented. A longer word has its own line.
std::string Wrapped(const std::string& text, size_t width, size_t indent);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_HELP_FORMATTER_H_
