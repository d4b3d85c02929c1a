// `attendant rank`: which of these texts fit a query best?
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/item_reader.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

constexpr size_t kMaxItems = 100'000;
// Where the server does not say how many items a request may have.
constexpr int32_t kItemsPerCall = 32;

struct RankFlags {
  ConnectionFlags connection;
  InputFlags input;
  std::string query;
  int32_t top_k = 10;
  client::SimilarityFunction function = client::SimilarityFunction::kModelDefault;
  client::PromptOptions query_prompt, item_prompt;
  bool json = false;
};

// As many calls as the server's limit needs; scores of one query can be compared across calls. Indices are of `items`.
absl::StatusOr<client::RankReply> RankItems(client::Client& client, const RankFlags& flags,
                                            const std::vector<client::Item>& items) {
  const auto model = client.GetModel(flags.connection.model, flags.connection.call());
  if (!model.ok()) return model.status();
  const int32_t limit = model->limits.max_items_per_request;
  // The query counts, too.
  const auto step = static_cast<size_t>(std::max(1, (limit > 0 ? limit : kItemsPerCall) - 1));
  client::RankOptions options;
  options.model = flags.connection.model;
  options.top_k = flags.top_k;
  options.function = flags.function;
  options.query_prompt = flags.query_prompt;
  options.item_prompt = flags.item_prompt;
  client::RankReply all;
  for (size_t first = 0; first < items.size(); first += step) {
    const size_t last = std::min(items.size(), first + step);
    auto reply = client.Rank(
        flags.query,
        {items.begin() + static_cast<std::ptrdiff_t>(first), items.begin() + static_cast<std::ptrdiff_t>(last)},
        options, flags.connection.call());
    if (!reply.ok()) return reply.status();
    if (first > 0 && reply->model_fingerprint != all.model_fingerprint) {
      return absl::AbortedError("the model was swapped meanwhile; try again");
    }
    all.model = reply->model;
    all.model_fingerprint = reply->model_fingerprint;
    for (client::RankedItem& item : reply->results) {
      all.results.push_back({item.index + static_cast<int32_t>(first), item.score});
    }
    for (client::ItemFailure& failure : reply->failures) {
      failure.index += static_cast<int32_t>(first);
      all.failures.push_back(std::move(failure));
    }
  }
  // Stable: of equal scores the first item first, as the server has it.
  std::stable_sort(all.results.begin(), all.results.end(),
                   [](const client::RankedItem& a, const client::RankedItem& b) { return a.score > b.score; });
  if (flags.top_k > 0 && all.results.size() > static_cast<size_t>(flags.top_k)) {
    all.results.resize(static_cast<size_t>(flags.top_k));
  }
  return all;
}

void PrintJson(const client::RankReply& reply, Context& context) {
  context.out << "{\"model\": " << JsonString(reply.model)
              << ", \"model_fingerprint\": " << JsonString(reply.model_fingerprint) << ", \"results\": [";
  for (size_t i = 0; i < reply.results.size(); ++i) {
    context.out << (i > 0 ? ", " : "") << "{\"item\": " << reply.results[i].index + 1
                << ", \"score\": " << ShortestFloat(reply.results[i].score) << "}";
  }
  context.out << "]}\n";
}

void PrintTable(const std::vector<client::Item>& items, const client::RankReply& reply, Context& context) {
  for (const client::RankedItem& result : reply.results) {
    context.out << PaddedLeft(Fixed(result.score, 4), 9) << PaddedLeft(std::to_string(result.index + 1), 8) << "  "
                << Shortened(ItemLabel(items[static_cast<size_t>(result.index)]), std::max(30, context.columns - 19))
                << "\n";
  }
}

int RunRank(const RankFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  auto reader = ItemReader::Open(flags.input, context);
  if (!reader.ok()) return ReportFailure(context, kExitUsage, std::string(reader.status().message()));
  const auto items = ReadAllItems(**reader, kMaxItems);
  if (!items.ok()) return ReportFailure(context, kExitUsage, std::string(items.status().message()));
  const auto reply = RankItems(**client, flags, *items);
  if (!reply.ok()) return ReportCallFailure(context, reply.status());
  for (const client::ItemFailure& failure : reply->failures) {
    context.err << "attendant: item " << failure.index + 1 << ": " << failure.status.ToString() << "\n";
  }
  if (flags.json) {
    PrintJson(*reply, context);
  } else {
    PrintTable(*items, *reply, context);
  }
  return reply->failures.empty() ? kExitOk : kExitSomeFailed;
}

}  // namespace

void AddRankCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<RankFlags>();
  CLI::App* command = app.add_subcommand("rank", "Order texts by how well they fit a query");
  command->add_option("-q,--query", flags->query, "what to look for")->type_name("TEXT")->required();
  AddInputFlags(*command, &flags->input);
  command->add_option("-k,--top", flags->top_k, "how many to print; 0: all")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  const std::map<std::string, client::SimilarityFunction> functions = {
      {"cosine", client::SimilarityFunction::kCosine},
      {"dot", client::SimilarityFunction::kDot},
      {"euclidean", client::SimilarityFunction::kEuclidean},
      {"manhattan", client::SimilarityFunction::kManhattan}};
  std::vector<std::string> names;
  for (const auto& [name, value] : functions) names.push_back(name);
  command
      ->add_option_function<std::string>(
          "--function", [flags, functions](const std::string& value) { flags->function = functions.at(value); },
          "how alike two vectors are (default: as the model's files say)")
      ->check(CLI::IsMember(names));
  const auto add_prompt = [&](const std::string& name, client::PromptOptions* prompt, const std::string& what) {
    command
        ->add_option_function<std::string>(
            name, [flags, prompt](const std::string& value) { prompt->prompt_name = value; },
            absl::StrCat("one of the model's prompts, put before ", what, " (default: the one meant for it)"))
        ->type_name("NAME");
  };
  add_prompt("--query-prompt-name", &flags->query_prompt, "the query");
  add_prompt("--item-prompt-name", &flags->item_prompt, "each text");
  command->add_flag("--json", flags->json, "JSON instead of a table");
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunRank(*flags, context); }; });
}

}  // namespace attendant::cli
