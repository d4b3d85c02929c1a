#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/app_help.h"

namespace attendant::cli {
namespace {

// What may stand in any place: flags (--help and --version too, which CLI11 counts among them) and the choices of
// arguments without a flag.
std::vector<std::string> Words(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options()) {
    const std::vector<std::string> names = OptionNames(*option);
    for (const std::string& word : names.empty() ? Choices(*option) : names) words.push_back(word);
  }
  return words;
}

// A word in single quotes; a quote ends them, is escaped, and begins them again.
std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string CommandNames(const CLI::App& app) {
  return absl::StrJoin(Commands(app), " ",
                       [](std::string* out, const CLI::App* command) { out->append(command->get_name()); });
}

// case "COMMAND PREVIOUS" in "embed --truncation") ...: what may follow an option that takes a value.
std::string BashValueCases(const CLI::App& app) {
  std::string cases;
  for (const CLI::App* command : Commands(app)) {
    for (const CLI::Option* option : command->get_options()) {
      const std::vector<std::string> names = OptionNames(*option);
      if (names.empty() || !TakesValue(*option)) continue;
      const std::string patterns = absl::StrJoin(names, " | ", [&](std::string* out, const std::string& name) {
        absl::StrAppend(out, "'", command->get_name(), " ", name, "'");
      });
      const std::vector<std::string> choices = Choices(*option);
      const std::string words = !choices.empty()     ? absl::StrCat("-W '", absl::StrJoin(choices, " "), "'")
                                : TakesFile(*option) ? "-f"
                                                     : "-W ''";
      absl::StrAppend(&cases, "    ", patterns, ") COMPREPLY=($(compgen ", words, " -- \"$current\")); return ;;\n");
    }
  }
  return cases;
}

std::string FishOptionLine(const CLI::App& command, const CLI::Option& option) {
  std::string line = absl::StrCat("complete -c attendant -n '__fish_seen_subcommand_from ", command.get_name(), "'");
  for (const std::string& name : OptionNames(option)) {
    absl::StrAppend(
        &line, name.starts_with("--") ? absl::StrCat(" -l ", name.substr(2)) : absl::StrCat(" -s ", name.substr(1)));
  }
  const std::vector<std::string> choices = Choices(option);
  if (!choices.empty()) {
    absl::StrAppend(&line, " -xa '", absl::StrJoin(choices, " "), "'");
  } else if (TakesValue(option)) {
    absl::StrAppend(&line, TakesFile(option) ? " -rF" : " -x");
  }
  return absl::StrCat(line, " -d ", Quoted(option.get_description()), "\n");
}

}  // namespace

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::vector<std::string> OptionNames(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

// CLI11 shows the choices in the type's name: "TEXT:{a,b}".
std::vector<std::string> Choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.rfind('}');
  if (open == std::string::npos || close == std::string::npos || close <= open + 1) return {};
  return absl::StrSplit(type.substr(open + 1, close - open - 1), ',');
}

// Flags say it in one way or the other, by how they were declared.
bool TakesValue(const CLI::Option& option) { return option.get_type_size() != 0 && option.get_expected_max() != 0; }

bool TakesFile(const CLI::Option& option) { return option.get_type_name().starts_with("FILE"); }

std::string BashCompletion(const CLI::App& app) {
  std::string option_cases;
  for (const CLI::App* command : Commands(app)) {
    absl::StrAppend(&option_cases, "    ", command->get_name(), ") words='", absl::StrJoin(Words(*command), " "),
                    "' ;;\n");
  }
  return absl::StrCat(
      "# bash completion of attendant; made by `attendant completion bash`.\n"
      "_attendant() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= word words\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    case $word in -*) ;; *) command=$word && break ;; esac\n"
      "  done\n"
      "  case \"$command $previous\" in\n",
      BashValueCases(app),
      "  esac\n"
      "  case $command in\n"
      "    '') words='",
      CommandNames(app), " ", absl::StrJoin(Words(app), " "), "' ;;\n", option_cases,
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
      "}\n"
      "complete -o bashdefault -o default -F _attendant attendant\n");
}

std::string ZshCompletion(const CLI::App& app) {
  return absl::StrCat("# zsh completion of attendant; made by `attendant completion zsh`.\n",
                      "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n",
                      BashCompletion(app));
}

std::string FishCompletion(const CLI::App& app) {
  std::string script =
      "# fish completion of attendant; made by `attendant completion fish`.\ncomplete -c attendant -f\n";
  for (const CLI::App* command : Commands(app)) {
    absl::StrAppend(&script, "complete -c attendant -n __fish_use_subcommand -a ", command->get_name(), " -d ",
                    Quoted(command->get_description()), "\n");
    for (const CLI::Option* option : command->get_options()) {
      if (!OptionNames(*option).empty()) absl::StrAppend(&script, FishOptionLine(*command, *option));
    }
  }
  return script;
}

}  // namespace attendant::cli
