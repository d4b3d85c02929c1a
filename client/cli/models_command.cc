// `attendant models`: what the server has loaded, and its limits.
#include <CLI/CLI.hpp>

#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

struct ModelsFlags {
  ConnectionFlags connection;
  bool json = false;
};

std::string PoolingNames(const client::ModelInfo& model, const char* quote, const char* separator) {
  std::string names;
  for (const client::Pooling pooling : model.pooling) {
    if (!names.empty()) names += separator;
    names += quote + PoolingName(pooling) + quote;
  }
  return names;
}

const char* StateName(client::ModelState state) {
  switch (state) {
    case client::ModelState::kLoading:
      return "LOADING";
    case client::ModelState::kReady:
      return "READY";
    case client::ModelState::kDraining:
      return "DRAINING";
    case client::ModelState::kFailed:
      return "FAILED";
    case client::ModelState::kUnknown:
      break;
  }
  return "UNKNOWN";
}

void PrintModel(const client::ModelInfo& model, std::ostream& out) {
  const client::Limits& limits = model.limits;
  out << model.name << (model.is_default ? " (default)" : "") << "\n";
  if (model.state != client::ModelState::kUnknown) {
    out << "  state          " << StateName(model.state)
        << (model.state_reason.empty() || model.state == client::ModelState::kFailed ? ""
                                                                                     : ", last replacement refused")
        << (model.state_reason.empty() ? "" : ": ") << model.state_reason << "\n";
  }
  // Of one that is loading or has failed there is no more to say.
  if (model.fingerprint.empty()) return;
  out << "  fingerprint    " << model.fingerprint << "\n"
      << "  architecture   " << model.architecture << ", " << model.num_layers << " layers, " << model.num_heads
      << " heads, hidden size " << model.hidden_size << ", vocabulary " << WithCommas(model.vocab_size) << "\n"
      << "  computes in    " << model.precision << ", kernels " << model.kernels << "\n"
      << "  output         " << model.dimension << " values, pooling " << PoolingNames(model, "", " + ")
      << (model.normalize ? ", normalised" : ", not normalised") << "\n"
      << "  longest input  " << model.max_tokens << " tokens\n";
  for (const auto& [name, text] : model.prompts) {
    out << "  prompt         " << name << (name == model.default_prompt_name ? " (default)" : "") << ": "
        << JsonString(text) << "\n";
  }
  out << "  limits         " << limits.max_items_per_request << " items a request, "
      << WithCommas(limits.max_text_bytes) << " bytes a text, " << WithCommas(limits.max_tokens_per_item)
      << " tokens an item, " << WithCommas(limits.max_message_bytes) << " bytes a message,\n                 "
      << WithCommas(limits.max_attention_bytes) << " bytes of attention, " << limits.max_in_flight_per_stream
      << " requests in flight a stream\n";
}

void PrintJson(const client::ModelInfo& model, std::ostream& out) {
  const client::Limits& limits = model.limits;
  out << "{\"name\": " << JsonString(model.name) << ", \"state\": \"" << StateName(model.state)
      << "\", \"state_reason\": " << JsonString(model.state_reason)
      << ", \"default\": " << (model.is_default ? "true" : "false") << ", \"loaded_unix_ms\": " << model.loaded_unix_ms
      << ", \"fingerprint\": " << JsonString(model.fingerprint)
      << ", \"architecture\": " << JsonString(model.architecture) << ", \"precision\": " << JsonString(model.precision)
      << ", \"kernels\": " << JsonString(model.kernels) << ", \"dimension\": " << model.dimension
      << ", \"hidden_size\": " << model.hidden_size << ", \"num_layers\": " << model.num_layers
      << ", \"num_heads\": " << model.num_heads << ", \"vocab_size\": " << model.vocab_size
      << ", \"max_tokens\": " << model.max_tokens << ", \"pooling\": [" << PoolingNames(model, "\"", ", ")
      << "], \"normalize\": " << (model.normalize ? "true" : "false") << ", \"prompts\": {";
  const char* separator = "";
  for (const auto& [name, text] : model.prompts) {
    out << separator << JsonString(name) << ": " << JsonString(text);
    separator = ", ";
  }
  out << "}, \"default_prompt_name\": " << JsonString(model.default_prompt_name)
      << ", \"limits\": {\"max_items_per_request\": " << limits.max_items_per_request
      << ", \"max_text_bytes\": " << limits.max_text_bytes
      << ", \"max_tokens_per_item\": " << limits.max_tokens_per_item
      << ", \"max_message_bytes\": " << limits.max_message_bytes
      << ", \"max_attention_bytes\": " << limits.max_attention_bytes
      << ", \"max_in_flight_per_stream\": " << limits.max_in_flight_per_stream << "}}";
}

int RunModels(const ModelsFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  const auto models = (*client)->ListModels(flags.connection.call());
  if (!models.ok()) return ReportCallFailure(context, models.status());
  if (!flags.json) {
    for (const client::ModelInfo& model : *models) PrintModel(model, context.out);
    return kExitOk;
  }
  context.out << "[";
  const char* separator = "";
  for (const client::ModelInfo& model : *models) {
    context.out << separator;
    PrintJson(model, context.out);
    separator = ", ";
  }
  context.out << "]\n";
  return kExitOk;
}

}  // namespace

void AddModelsCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<ModelsFlags>();
  CLI::App* command = app.add_subcommand("models", "List the models that the server has loaded, and its limits");
  command->add_flag("--json", flags->json, "JSON instead of text");
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunModels(*flags, context); }; });
}

}  // namespace attendant::cli
