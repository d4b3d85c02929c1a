// `attendant completion` and `attendant man`: the command line described for shells and for man.
#include <map>

#include "client/cli/app_help.h"
#include "client/cli/commands.h"

namespace attendant::cli {

// app outlives the action: RunAttendant runs it while the app is there.
void AddShellCommands(CLI::App& app, Action* chosen) {
  using Writer = std::string (*)(const CLI::App&);
  const std::map<std::string, Writer> writers = {
      {"bash", &BashCompletion}, {"fish", &FishCompletion}, {"zsh", &ZshCompletion}};
  CLI::App* completion = app.add_subcommand("completion", "Print a script that completes attendant's command line");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "for which shell")->required()->check(CLI::IsMember({"bash", "fish", "zsh"}));
  completion->callback([&app, chosen, shell, writers] {
    *chosen = [&app, shell, writers](Context& context) {
      context.out << writers.at(*shell)(app);
      return int{kExitOk};
    };
  });
  CLI::App* man = app.add_subcommand("man", "Print the manual page: attendant man | man -l -");
  man->callback([&app, chosen] {
    *chosen = [&app](Context& context) {
      context.out << ManPage(app);
      return int{kExitOk};
    };
  });
}

}  // namespace attendant::cli
