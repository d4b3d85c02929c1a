// The subcommands of `attendant`, one file each, and the function that runs one of them.
//
// Each Add...Command declares its flags on the app and, when the command line chose it, leaves what is to be done in
// *chosen. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_COMMANDS_H_
#define ATTENDANT_CLIENT_CLI_COMMANDS_H_

#include <functional>
#include <string>
#include <vector>

#include "client/cli/context.h"

namespace CLI {
class App;
}

namespace attendant::cli {

// Returns the exit code.
using Action = std::function<int(Context&)>;

void AddEmbedCommand(CLI::App& app, Action* chosen);
void AddSimilarityCommand(CLI::App& app, Action* chosen);
void AddRankCommand(CLI::App& app, Action* chosen);
void AddCompareCommand(CLI::App& app, Action* chosen);
void AddAttentionCommand(CLI::App& app, Action* chosen);
void AddTokenizeCommand(CLI::App& app, Action* chosen);
void AddModelsCommand(CLI::App& app, Action* chosen);
void AddHealthCommand(CLI::App& app, Action* chosen);
void AddBenchCommand(CLI::App& app, Action* chosen);
void AddGoldenCommand(CLI::App& app, Action* chosen);
void AddAdminCommands(CLI::App& app, Action* chosen);  // load, swap, unload, reload
void AddShellCommands(CLI::App& app, Action* chosen);  // completion, man; they describe the app itself

// arguments: without the program's name. Returns the exit code.
int RunAttendant(const std::vector<std::string>& arguments, Context& context);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_COMMANDS_H_
