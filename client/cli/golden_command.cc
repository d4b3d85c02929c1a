// `attendant golden`: writes down what a model gives for some texts, for the server's self-check to compare with.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/item_reader.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

using nlohmann::json;

// As many as the server reads (server/models/golden.cc).
constexpr size_t kMaxTexts = 1000;
constexpr size_t kTextsPerCall = 32;

struct GoldenFlags {
  ConnectionFlags connection;
  std::string texts;
  std::string output;
};

absl::StatusOr<std::vector<client::Item>> ReadTexts(const GoldenFlags& flags, Context& context) {
  InputFlags input;
  input.input = flags.texts;
  auto reader = ItemReader::Open(input, context);
  if (!reader.ok()) return reader.status();
  std::vector<client::Item> texts;
  while (auto entry = (*reader)->Next()) {
    const std::string where = (*reader)->Where(entry->number);
    if (!entry->item.ok()) return absl::InvalidArgumentError(absl::StrCat(where, ": ", entry->item.status().message()));
    if (!std::holds_alternative<std::string>(*entry->item)) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": golden vectors are of single texts"));
    }
    texts.push_back(*std::move(entry->item));
  }
  if (texts.empty()) return absl::InvalidArgumentError("there are no texts");
  if (texts.size() > kMaxTexts) {
    return absl::InvalidArgumentError(absl::StrCat(texts.size(), " texts are more than ", kMaxTexts));
  }
  return texts;
}

json Facts(const client::ModelInfo& model) {
  json pooling = json::array();
  for (const client::Pooling mode : model.pooling) pooling.push_back(PoolingName(mode));
  return {{"format", "attendant-golden-1"}, {"model", model.name},      {"fingerprint", model.fingerprint},
          {"precision", model.precision},   {"kernels", model.kernels}, {"dimension", model.dimension},
          {"normalize", model.normalize},   {"pooling", pooling},       {"max_tokens", model.max_tokens},
          {"items", json::array()}};
}

absl::Status AddVectors(const std::vector<client::Item>& texts, const GoldenFlags& flags, client::Client& client,
                        json* golden) {
  client::EmbedOptions options;
  options.model = flags.connection.model;
  for (size_t begin = 0; begin < texts.size(); begin += kTextsPerCall) {
    const std::vector<client::Item> some(
        texts.begin() + static_cast<std::ptrdiff_t>(begin),
        texts.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kTextsPerCall, texts.size())));
    const auto reply = client.Embed(some, options, flags.connection.call());
    if (!reply.ok()) return reply.status();
    if (reply->model_fingerprint != (*golden)["fingerprint"]) {
      return absl::AbortedError("the model was swapped meanwhile; try again");
    }
    for (size_t i = 0; i < some.size(); ++i) {
      const client::EmbedResult& result = reply->results[i];
      if (!result.status.ok()) {
        return absl::InvalidArgumentError(absl::StrCat("text ", begin + i + 1, ": ", result.status.message()));
      }
      (*golden)["items"].push_back({{"text", std::get<std::string>(some[i])}, {"vector", result.values}});
    }
  }
  return absl::OkStatus();
}

int RunGolden(const GoldenFlags& flags, Context& context) {
  const auto texts = ReadTexts(flags, context);
  if (!texts.ok()) return ReportFailure(context, kExitUsage, std::string(texts.status().message()));
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  const auto model = (*client)->GetModel(flags.connection.model, flags.connection.call());
  if (!model.ok()) return ReportCallFailure(context, model.status());
  json golden = Facts(*model);
  if (absl::Status status = AddVectors(*texts, flags, **client, &golden); !status.ok()) {
    return ReportCallFailure(context, status);
  }
  std::ofstream file(flags.output, std::ios::trunc);
  file << golden.dump() << "\n";
  file.close();
  if (file.fail()) return ReportFailure(context, kExitFile, absl::StrCat("cannot write ", flags.output));
  context.out << flags.output << ": " << texts->size() << " texts of " << model->name << " (" << model->fingerprint
              << ", " << model->precision << ")\n";
  return kExitOk;
}

}  // namespace

void AddGoldenCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<GoldenFlags>();
  CLI::App* command = app.add_subcommand(
      "golden", "Write down a model's vectors of some texts, for the server's self-check to compare with");
  command->add_option("--texts", flags->texts, "file with a text a line (or JSON lines); -: standard input")
      ->type_name("FILE")
      ->required();
  command
      ->add_option("--output", flags->output,
                   "file to write; the server reads attendant_golden.json in the model's directory")
      ->type_name("FILE")
      ->required();
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunGolden(*flags, context); }; });
}

}  // namespace attendant::cli
