// `attendant similarity`: how alike are these texts? A matrix of cosines.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/item_reader.h"
#include "client/cli/vector_math.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

// The matrix has the square of this many entries; nobody reads a larger one.
constexpr size_t kMaxItems = 2000;
// What one unary call carries; below every server's item limit that is worth having.
constexpr size_t kItemsPerCall = 32;

struct SimilarityFlags {
  ConnectionFlags connection;
  TextFlags text;
  VectorFlags vectors;
  InputFlags input;
  bool json = false;
  bool timings = false;
};

struct Embedded {
  std::vector<client::EmbedResult> results;
  client::CallMetadata cost;  // sums over the calls
  int64_t client_us = 0;
  std::string model;
  std::string model_fingerprint;
};

absl::StatusOr<Embedded> EmbedItems(client::Client& client, const SimilarityFlags& flags,
                                    const std::vector<client::Item>& items) {
  client::EmbedOptions options = ToEmbedOptions(flags.connection, flags.text, flags.vectors);
  options.include_metadata = true;
  Embedded embedded;
  const auto start = std::chrono::steady_clock::now();
  for (size_t first = 0; first < items.size(); first += kItemsPerCall) {
    const size_t last = std::min(items.size(), first + kItemsPerCall);
    auto reply = client.Embed({items.begin() + static_cast<int64_t>(first), items.begin() + static_cast<int64_t>(last)},
                              options, flags.connection.call());
    if (!reply.ok()) return reply.status();
    for (client::EmbedResult& result : reply->results) embedded.results.push_back(std::move(result));
    const client::CallMetadata cost = reply->metadata.value_or(client::CallMetadata());
    embedded.cost.tokenize_us += cost.tokenize_us;
    embedded.cost.queue_us += cost.queue_us;
    embedded.cost.compute_us += cost.compute_us;
    embedded.cost.total_us += cost.total_us;
    embedded.model = reply->model;
    embedded.model_fingerprint = reply->model_fingerprint;
  }
  embedded.client_us =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start).count();
  return embedded;
}

void PrintTable(const std::vector<client::Item>& items, const Embedded& embedded, Context& context) {
  constexpr int kCell = 8;
  context.out << std::string(4, ' ');
  for (size_t i = 0; i < items.size(); ++i) context.out << PaddedLeft(std::to_string(i + 1), kCell);
  context.out << "\n";
  const int used = 4 + kCell * static_cast<int>(items.size()) + 2;
  const int label_width = std::max(30, context.columns - used);
  for (size_t i = 0; i < items.size(); ++i) {
    context.out << PaddedLeft(std::to_string(i + 1), 4);
    for (size_t j = 0; j < items.size(); ++j) {
      const double cosine = Cosine(embedded.results[i].values, embedded.results[j].values);
      context.out << PaddedLeft(std::isnan(cosine) ? "-" : Fixed(cosine, 4), kCell);
    }
    context.out << "  " << Shortened(ItemLabel(items[i]), label_width) << "\n";
  }
}

void PrintJson(const Embedded& embedded, Context& context) {
  context.out << "{\"model\": " << JsonString(embedded.model)
              << ", \"model_fingerprint\": " << JsonString(embedded.model_fingerprint) << ", \"similarity\": [";
  const size_t count = embedded.results.size();
  for (size_t i = 0; i < count; ++i) {
    context.out << (i > 0 ? ", [" : "[");
    for (size_t j = 0; j < count; ++j) {
      const double cosine = Cosine(embedded.results[i].values, embedded.results[j].values);
      context.out << (j > 0 ? ", " : "") << ShortestFloat(static_cast<float>(cosine));
    }
    context.out << "]";
  }
  const client::CallMetadata& cost = embedded.cost;
  context.out << "], \"timings_us\": {\"tokenize\": " << cost.tokenize_us << ", \"queue\": " << cost.queue_us
              << ", \"compute\": " << cost.compute_us << ", \"total\": " << cost.total_us
              << ", \"client\": " << embedded.client_us << "}}\n";
}

int RunSimilarity(const SimilarityFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  auto reader = ItemReader::Open(flags.input, context);
  if (!reader.ok()) return ReportFailure(context, kExitUsage, std::string(reader.status().message()));
  const auto items = ReadAllItems(**reader, kMaxItems);
  if (!items.ok()) return ReportFailure(context, kExitUsage, std::string(items.status().message()));
  const auto embedded = EmbedItems(**client, flags, *items);
  if (!embedded.ok()) return ReportCallFailure(context, embedded.status());

  int failed = 0;
  for (size_t i = 0; i < embedded->results.size(); ++i) {
    const absl::Status& status = embedded->results[i].status;
    if (status.ok()) continue;
    ++failed;
    context.err << "attendant: item " << i + 1 << ": " << status.ToString() << "\n";
  }
  if (flags.json) {
    PrintJson(*embedded, context);
  } else {
    PrintTable(*items, *embedded, context);
  }
  if (flags.timings && !flags.json) {
    const client::CallMetadata& cost = embedded->cost;
    context.out << "tokenise " << MillisecondsText(cost.tokenize_us) << ", queue " << MillisecondsText(cost.queue_us)
                << ", compute " << MillisecondsText(cost.compute_us) << ", total " << MillisecondsText(cost.total_us)
                << " in the server; " << MillisecondsText(embedded->client_us) << " seen by this client\n";
  }
  return failed == 0 ? kExitOk : kExitSomeFailed;
}

}  // namespace

void AddSimilarityCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<SimilarityFlags>();
  CLI::App* command = app.add_subcommand("similarity", "Compare texts: a matrix of cosine similarities");
  AddInputFlags(*command, &flags->input);
  command->add_flag("--json", flags->json, "JSON instead of a table");
  command->add_flag("--timings", flags->timings, "say what the call cost");
  AddTextFlags(*command, &flags->text);
  AddVectorFlags(*command, &flags->vectors);
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback(
      [flags, chosen] { *chosen = [flags](Context& context) { return RunSimilarity(*flags, context); }; });
}

}  // namespace attendant::cli
