// `attendant tokenize`: the tokens that Embed would use.
#include <CLI/CLI.hpp>
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/item_reader.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

// Items are asked for one call at a time, so that input of any length takes constant memory.
constexpr size_t kItemsPerCall = 16;

struct TokenizeFlags {
  ConnectionFlags connection;
  TextFlags text;
  InputFlags input;
  bool json = false;
};

void PrintTable(const std::string& where, const client::TokenizeResult& result, Context& context) {
  context.out << where << ": " << result.tokens.size() << " tokens";
  if (result.tokens_dropped > 0) context.out << " (" << result.tokens_dropped << " dropped)";
  context.out << "\n";
  constexpr int kTokenWidth = 24;
  context.out << "      #      id  type    offsets  token\n";
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    const client::Token& token = result.tokens[i];
    const std::string offsets = token.special || token.end == 0 ? "-" : absl::StrCat(token.start, "..", token.end);
    context.out << PaddedLeft(std::to_string(i), 7) << PaddedLeft(std::to_string(token.id), 8)
                << PaddedLeft(std::to_string(token.type_id), 6) << PaddedLeft(offsets, 11) << "  "
                << Shortened(token.text, kTokenWidth) << (token.special ? "  special" : "") << "\n";
  }
}

void PrintJson(int64_t number, const client::TokenizeResult& result, Context& context) {
  context.out << "{\"line\": " << number << ", \"tokens\": [";
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    const client::Token& token = result.tokens[i];
    context.out << (i > 0 ? ", " : "") << "{\"id\": " << token.id << ", \"text\": " << JsonString(token.text)
                << ", \"type_id\": " << token.type_id << ", \"special\": " << (token.special ? "true" : "false")
                << ", \"start\": " << token.start << ", \"end\": " << token.end << "}";
  }
  context.out << "], \"dropped\": " << result.tokens_dropped << "}\n";
}

// One call's worth; returns how many items failed, or the call's error.
class TokenizeRun {
 public:
  TokenizeRun(const TokenizeFlags& flags, Context& context, client::Client& client, ItemReader& reader)
      : flags_(flags), context_(context), client_(client), reader_(reader) {}

  absl::Status Run() {
    bool more = true;
    while (more) {
      std::vector<client::Item> items;
      std::vector<int64_t> numbers;
      while (items.size() < kItemsPerCall) {
        auto entry = reader_.Next();
        more = entry.has_value();
        if (!more) break;
        if (!entry->item.ok()) {
          // In front of its elder neighbours' output, but with its own line number.
          ReportItem(entry->number, entry->item.status());
          continue;
        }
        items.push_back(*std::move(entry->item));
        numbers.push_back(entry->number);
      }
      if (items.empty()) continue;
      const client::TokenizeOptions options{flags_.connection.model, flags_.text.prompt(), flags_.text.truncation};
      const auto reply = client_.Tokenize(items, options, flags_.connection.call());
      if (!reply.ok()) return reply.status();
      for (size_t i = 0; i < items.size(); ++i) Print(numbers[i], reply->results[i]);
    }
    return absl::OkStatus();
  }

  int64_t failed() const { return failed_; }

 private:
  void ReportItem(int64_t number, const absl::Status& status) {
    ++failed_;
    context_.err << "attendant: " << reader_.Where(number) << ": " << status.ToString() << "\n";
  }

  void Print(int64_t number, const client::TokenizeResult& result) {
    if (!result.status.ok()) {
      ReportItem(number, result.status);
    } else if (flags_.json) {
      PrintJson(number, result, context_);
    } else {
      PrintTable(reader_.Where(number), result, context_);
    }
  }

  const TokenizeFlags& flags_;
  Context& context_;
  client::Client& client_;
  ItemReader& reader_;
  int64_t failed_ = 0;
};

int RunTokenize(const TokenizeFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  auto reader = ItemReader::Open(flags.input, context);
  if (!reader.ok()) return ReportFailure(context, kExitUsage, std::string(reader.status().message()));
  TokenizeRun run(flags, context, **client, **reader);
  if (absl::Status status = run.Run(); !status.ok()) return ReportCallFailure(context, status);
  return run.failed() == 0 ? kExitOk : kExitSomeFailed;
}

}  // namespace

void AddTokenizeCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* command = app.add_subcommand("tokenize", "Show the tokens that embed would use");
  AddInputFlags(*command, &flags->input);
  command->add_flag("--json", flags->json, "JSON lines instead of tables");
  AddTextFlags(*command, &flags->text);
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunTokenize(*flags, context); }; });
}

}  // namespace attendant::cli
