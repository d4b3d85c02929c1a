// `attendant health`: one question, one answer, an exit status; what containers and scripts call.
#include <CLI/CLI.hpp>

#include "client/cli/commands.h"
#include "client/cli/flags.h"

namespace attendant::cli {
namespace {

struct HealthFlags {
  ConnectionFlags connection{.timeout_s = 3};
  std::string service;
};

const char* Name(client::ServingStatus status) {
  switch (status) {
    case client::ServingStatus::kServing:
      return "SERVING";
    case client::ServingStatus::kNotServing:
      return "NOT_SERVING";
    case client::ServingStatus::kServiceUnknown:
      return "SERVICE_UNKNOWN";
    case client::ServingStatus::kUnknown:
      break;
  }
  return "UNKNOWN";
}

int RunHealth(const HealthFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  const auto status = (*client)->Health(flags.service, flags.connection.call());
  if (!status.ok()) return ReportCallFailure(context, status.status());
  context.out << Name(*status) << "\n";
  return *status == client::ServingStatus::kServing ? kExitOk : kExitSomeFailed;
}

}  // namespace

void AddHealthCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<HealthFlags>();
  CLI::App* command = app.add_subcommand("health", "Ask whether the server is serving; exit status 0 if it is");
  command->add_option("--service", flags->service, "ask about one gRPC service (default: the server as a whole)")
      ->type_name("NAME");
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunHealth(*flags, context); }; });
}

}  // namespace attendant::cli
