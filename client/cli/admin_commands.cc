// `attendant load`, `swap`, `unload`, `reload`: the models of a running server, over its admin listener.
#include <CLI/CLI.hpp>

#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/lib/admin.h"

namespace attendant::cli {
namespace {

struct AdminFlags {
  ConnectionFlags connection{.server = "127.0.0.1:50052", .timeout_s = 600};
  client::LoadRequest load;
  client::SwapRequest swap;
  std::string unload;
};

void PrintChange(const char* verb, const client::ModelChange& change, std::ostream& out) {
  const client::LoadedModel& loaded = change.loaded;
  out << verb << " " << loaded.model.name << " in " << Fixed(static_cast<double>(loaded.load_ms) / 1000, 2) << " s\n"
      << "  directory    " << loaded.directory << "\n"
      << "  fingerprint  " << loaded.model.fingerprint;
  if (change.old_fingerprint == loaded.model.fingerprint) {
    out << " (as before)";
  } else if (!change.old_fingerprint.empty()) {
    out << " (before: " << change.old_fingerprint << "; do not mix their vectors)";
  }
  out << "\n  precision    " << loaded.model.precision << ", kernels " << loaded.model.kernels << "\n"
      << "  self-check   " << loaded.self_check << "\n"
      << "  memory       about " << WithCommas(loaded.memory_bytes) << " bytes\n";
}

// Connects and calls; what is printed is the action's.
int WithAdmin(const AdminFlags& flags, Context& context,
              const std::function<absl::Status(client::AdminClient&)>& action) {
  const auto options = flags.connection.client_options();
  if (!options.ok()) return ReportFailure(context, kExitUsage, std::string(options.status().message()));
  auto admin = client::AdminClient::Create(*options);
  if (!admin.ok()) return ReportFailure(context, kExitUsage, std::string(admin.status().message()));
  const absl::Status status = action(**admin);
  return status.ok() ? kExitOk : ReportCallFailure(context, status);
}

int RunLoad(const AdminFlags& flags, Context& context) {
  return WithAdmin(flags, context, [&](client::AdminClient& admin) {
    const auto change = admin.Load(flags.load);
    if (change.ok()) PrintChange("loaded", *change, context.out);
    return change.status();
  });
}

int RunSwap(const AdminFlags& flags, Context& context) {
  return WithAdmin(flags, context, [&](client::AdminClient& admin) {
    const auto change = admin.Swap(flags.swap);
    if (change.ok()) PrintChange("swapped", *change, context.out);
    return change.status();
  });
}

int RunUnload(const AdminFlags& flags, Context& context) {
  return WithAdmin(flags, context, [&](client::AdminClient& admin) {
    absl::Status status = admin.Unload(flags.unload);
    if (status.ok()) context.out << "unloaded " << flags.unload << "\n";
    return status;
  });
}

int RunReload(const AdminFlags& flags, Context& context) {
  return WithAdmin(flags, context, [&](client::AdminClient& admin) {
    const auto changes = admin.Reload();
    if (!changes.ok()) return changes.status();
    for (const std::string& change : *changes) context.out << change << "\n";
    if (changes->empty()) context.out << "nothing has changed\n";
    return absl::OkStatus();
  });
}

CLI::App* AddCommand(CLI::App& app, const char* name, const char* description, const std::shared_ptr<AdminFlags>& flags,
                     int (*run)(const AdminFlags&, Context&), Action* chosen) {
  CLI::App* command = app.add_subcommand(name, description);
  command->callback(
      [flags, run, chosen] { *chosen = [flags, run](Context& context) { return run(*flags, context); }; });
  return command;
}

void AddPrecision(CLI::App& command, std::string* precision, const char* description) {
  command.add_option("--precision", *precision, description)
      ->check(CLI::IsMember({"fp32", "bf16", "int8", "auto"}).description(""))
      ->type_name("P");
}

}  // namespace

void AddAdminCommands(CLI::App& app, Action* chosen) {
  const auto flags = std::make_shared<AdminFlags>();
  CLI::App* load = AddCommand(app, "load", "Load another model into a running server", flags, RunLoad, chosen);
  load->add_option("directory", flags->load.directory, "the model's directory, on the server's file system")
      ->required();
  load->add_option("--name", flags->load.name, "what clients call it (default: the directory's name)");
  AddPrecision(*load, &flags->load.precision, "number format (default: the server's)");
  load->add_option("--weight", flags->load.weight, "share of the compute time beside other models (default 1)");
  load->add_option("--max-queued-tokens", flags->load.max_queued_tokens, "tokens of its own that may wait");
  load->add_flag("--default", flags->load.make_default, "let it answer requests that name no model");
  CLI::App* swap =
      AddCommand(app, "swap", "Replace a model of a running server, without failing a call", flags, RunSwap, chosen);
  swap->add_option("name", flags->swap.name, "the model to replace")->required();
  swap->add_option("directory", flags->swap.directory,
                   "the new one's directory (default: the present one, read again)");
  AddPrecision(*swap, &flags->swap.precision, "number format (default: the present one)");
  CLI::App* unload = AddCommand(app, "unload", "Unload a model of a running server", flags, RunUnload, chosen);
  unload->add_option("name", flags->unload, "the model")->required();
  CLI::App* reload =
      AddCommand(app, "reload", "Make a running server read its configuration again", flags, RunReload, chosen);
  for (CLI::App* command : {load, swap, unload, reload}) AddAdminFlags(*command, &flags->connection);
}

}  // namespace attendant::cli
