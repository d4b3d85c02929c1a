#include <CLI/CLI.hpp>
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/help_formatter.h"

namespace attendant::cli {
namespace {

constexpr char kFooter[] =
    "Exit status: 0 all well; 1 some items failed (all others were done), health: not serving; 2 wrong usage;\n"
    "3 server unreachable or too slow; 4 the server refused the call; 5 a local file could not be read or written.\n"
    "`attendant COMMAND --help` tells more. The server's address is --server or $ATTENDANT_SERVER.\n";

}  // namespace

int RunAttendant(const std::vector<std::string>& arguments, Context& context) {
  CLI::App app("The command line client of an Attendant embedding server.", "attendant");
  app.formatter(std::make_shared<HelpFormatter>());  // subcommands inherit it
  app.footer(kFooter);
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("attendant " ATTENDANT_VERSION));
  Action chosen;
  AddEmbedCommand(app, &chosen);
  AddSimilarityCommand(app, &chosen);
  AddRankCommand(app, &chosen);
  AddCompareCommand(app, &chosen);
  AddAttentionCommand(app, &chosen);
  AddTokenizeCommand(app, &chosen);
  AddModelsCommand(app, &chosen);
  AddHealthCommand(app, &chosen);
  AddBenchCommand(app, &chosen);
  AddGoldenCommand(app, &chosen);
  AddAdminCommands(app, &chosen);
  AddShellCommands(app, &chosen);
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants them
    app.parse(reversed);
  } catch (const CLI::ParseError& error) {
    // The only exceptions here are CLI11's own; help and version come this way too.
    return app.exit(error, context.out, context.err) == 0 ? kExitOk : kExitUsage;
  }
  return chosen(context);
}

}  // namespace attendant::cli
