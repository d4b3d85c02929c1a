#include "client/cli/help_formatter.h"

#include <sstream>

namespace attendant::cli {
namespace {

constexpr size_t kFlagColumn = 28;
constexpr size_t kHelpWidth = 100;

}  // namespace

std::string Wrapped(const std::string& text, size_t width, size_t indent) {
  std::istringstream words(text);
  std::string out;
  size_t used = 0;
  for (std::string word; words >> word;) {
    if (used > 0 && used + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      used = 0;
    }
    if (used > 0) out += ' ';
    out += word;
    used += word.size() + (used > 0 ? 1 : 0);
  }
  return out;
}

// The value's name: "FILE", "{auto,text}". Ranges ("INT:INT in [1 - 9]") are for error messages.
std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) return "";
  std::string type = option->get_type_name();
  if (const size_t range = type.find(" in ["); range != std::string::npos) type.resize(type.rfind(':', range));
  if (const size_t choices = type.find(":{"); choices != std::string::npos) type.erase(0, choices + 1);
  return type.empty() ? "" : " " + type;
}

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string flag = "  " + make_option_name(option, is_positional) + make_option_opts(option);
  std::string text = make_option_desc(option);
  if (option->get_type_size() != 0 && !option->get_default_str().empty()) {
    text += " (default " + option->get_default_str() + ")";
  }
  if (!option->get_envname().empty()) text += " [environment: " + option->get_envname() + "]";
  if (flag.size() + 2 > kFlagColumn) {
    flag += "\n" + std::string(kFlagColumn, ' ');
  } else {
    flag.resize(kFlagColumn, ' ');
  }
  return flag + Wrapped(text, kHelpWidth - kFlagColumn, kFlagColumn) + "\n";
}

}  // namespace attendant::cli
