// `attendant bench`: load on a server, and what it makes of it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "client/cli/bench_report.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/item_reader.h"
#include "client/cli/load_runner.h"
#include "client/cli/workload.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

// Synthetic items that are made once and sent again and again: enough that no cache of vectors would help unnoticed.
constexpr int kSyntheticItems = 8192;
constexpr int64_t kMaxFileItems = 1'000'000;
// An open loop needs a caller for every request that waits; more waiting ones than this are late all the same.
constexpr int kOpenLoopConcurrency = 256;

struct BenchFlags {
  ConnectionFlags connection;
  TextFlags text;
  VectorFlags vectors;
  std::string input;
  std::string synthetic = "ids";
  std::string lengths = "lognormal";
  int items_per_request = 1;
  int concurrency = 0;  // 0: by the kind of loop
  double rate = 0;
  double duration_s = 10;
  double warm_up_s = 1;
  int64_t requests = 0;
  uint64_t seed = 1;
  bool stream = false;
  std::string json;
};

LoadPlan ToPlan(const BenchFlags& flags) {
  LoadPlan plan;
  plan.rate = flags.rate;
  plan.concurrency = flags.concurrency > 0 ? flags.concurrency : flags.rate > 0 ? kOpenLoopConcurrency : 8;
  plan.warm_up = client::Milliseconds(static_cast<int64_t>(flags.warm_up_s * 1000));
  plan.duration = client::Milliseconds(static_cast<int64_t>(flags.duration_s * 1000));
  plan.requests = flags.requests;
  plan.seed = flags.seed;
  return plan;
}

absl::StatusOr<std::vector<client::Item>> ReadItems(const std::string& input, Context& context) {
  InputFlags flags;
  flags.input = input;
  auto reader = ItemReader::Open(flags, context);
  if (!reader.ok()) return reader.status();
  std::vector<client::Item> items;
  while (auto entry = (*reader)->Next()) {
    if (!entry->item.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat((*reader)->Where(entry->number), ": ", std::string(entry->item.status().message())));
    }
    if (static_cast<int64_t>(items.size()) == kMaxFileItems) break;
    items.push_back(*std::move(entry->item));
  }
  if (items.empty()) return absl::InvalidArgumentError(absl::StrCat(input, " has no items"));
  return items;
}

absl::StatusOr<std::vector<client::Item>> MakeItems(const BenchFlags& flags, const client::ModelInfo& model,
                                                    Context& context) {
  if (!flags.input.empty()) return ReadItems(flags.input, context);
  auto lengths = ParseLengths(flags.lengths);
  if (!lengths.ok()) return lengths.status();
  if (model.max_tokens > 0 && lengths->fixed > model.max_tokens) {
    return absl::InvalidArgumentError(
        absl::StrCat("--lengths: ", lengths->fixed, " is more than the model's ", model.max_tokens, " tokens"));
  }
  if (model.max_tokens > 0) lengths->largest = std::min(lengths->largest, model.max_tokens);
  lengths->smallest = std::min(lengths->smallest, lengths->largest);
  if (flags.synthetic == "texts") return SyntheticTexts(*lengths, kSyntheticItems, flags.seed);
  return SyntheticIds(*lengths, model.vocab_size, kSyntheticItems, flags.seed);
}

BenchSubject Describe(const BenchFlags& flags, const client::ModelInfo& model, const LoadPlan& plan) {
  const char* what = flags.stream ? "on one stream" : "calls";
  BenchSubject subject;
  subject.server = flags.connection.server;
  subject.model = model;
  subject.plan = plan;
  subject.items_per_request = flags.items_per_request;
  subject.stream = flags.stream;
  if (plan.rate > 0) {
    subject.mode = absl::StrCat("open loop, Poisson arrivals at ", plan.rate, "/s, up to ", plan.concurrency, " ", what,
                                ", latency from the intended start");
  } else {
    subject.mode = absl::StrCat("closed loop, ", plan.concurrency, " ", what, " at a time");
  }
  const std::string items = !flags.input.empty()
                                ? flags.input
                                : absl::StrCat("synthetic ", flags.synthetic, ", ", flags.lengths,
                                               flags.lengths == "lognormal" ? " lengths" : " tokens each");
  subject.workload = absl::StrCat(items, ", ", flags.items_per_request,
                                  flags.items_per_request == 1 ? " item" : " items", " a request");
  return subject;
}

LoadOutcome RunLoad(const BenchFlags& flags, const LoadPlan& plan, const Workload& workload, client::Client& client) {
  client::EmbedOptions options = ToEmbedOptions(flags.connection, flags.text, flags.vectors);
  options.include_metadata = true;
  if (flags.stream) {
    const StreamLoad load{[&client] { return client.OpenStream(); }, options, flags.connection.timeout()};
    return RunStream(plan, workload, client::SystemClock(), load);
  }
  return RunCalls(plan, workload, client::SystemClock(), [&](const std::vector<const client::Item*>& request) {
    std::vector<client::Item> items;
    items.reserve(request.size());
    for (const client::Item* item : request) items.push_back(*item);
    return client.Embed(items, options, flags.connection.call());
  });
}

int RunBench(const BenchFlags& flags, Context& context) {
  auto options = flags.connection.client_options();
  if (!options.ok()) return ReportFailure(context, kExitUsage, std::string(options.status().message()));
  options->retry.max_attempts = 1;  // a refusal is a result here, not something to hide
  auto client = client::Client::Create(*options);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  const auto model = (*client)->GetModel(flags.connection.model, flags.connection.call());
  if (!model.ok()) return ReportCallFailure(context, model.status());
  auto items = MakeItems(flags, *model, context);
  if (!items.ok()) return ReportFailure(context, kExitUsage, std::string(items.status().message()));
  const LoadPlan plan = ToPlan(flags);
  const BenchSubject subject = Describe(flags, *model, plan);
  const LoadOutcome outcome = RunLoad(flags, plan, Workload(*std::move(items), flags.items_per_request), **client);

  context.out << BenchText(subject, outcome);
  if (!flags.json.empty()) {
    std::ofstream file(flags.json, std::ios::binary | std::ios::trunc);
    file << BenchJson(subject, outcome);
    file.close();
    if (!file)
      return ReportFailure(context, kExitFile, absl::StrCat("cannot write ", flags.json, ": ", std::strerror(errno)));
  }
  const bool all_well = outcome.failed_requests.empty() && outcome.item_errors.empty() && outcome.unsent == 0;
  return all_well ? kExitOk : kExitSomeFailed;
}

}  // namespace

void AddBenchCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "Put load on a server; measure throughput and latency by stage");
  command
      ->add_option("--concurrency", flags->concurrency,
                   "closed loop: so many requests at all times (default 8); open loop: at most so many (default 256)")
      ->check(CLI::Range(1, 10'000));
  command
      ->add_option("--rate", flags->rate,
                   "open loop: requests a second, arriving at random whether or not earlier ones were answered")
      ->check(CLI::Range(0.001, 1e6));
  auto* duration = command->add_option("--duration", flags->duration_s, "seconds to measure")
                       ->check(CLI::Range(0.01, 86'400.0))
                       ->capture_default_str();
  command->add_option("--requests", flags->requests, "measure so many requests instead")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000'000}))
      ->excludes(duration);
  command->add_option("--warm-up", flags->warm_up_s, "seconds before the measurement starts")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  auto* input = command->add_option("-i,--input", flags->input, "send the items of this file, as embed reads it")
                    ->type_name("FILE");
  command->add_option("--synthetic", flags->synthetic, "items of our own making: ids (exact lengths) or texts")
      ->check(CLI::IsMember({"ids", "texts"}))
      ->excludes(input)
      ->capture_default_str();
  command
      ->add_option("--lengths", flags->lengths,
                   "tokens of a synthetic item: a number, or lognormal (mean 49, 7 to 256)")
      ->excludes(input)
      ->capture_default_str();
  command->add_option("--items-per-request", flags->items_per_request, "items in one request")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_flag("--stream", flags->stream, "one EmbedStream instead of Embed calls");
  command->add_option("--seed", flags->seed, "of items and arrivals")->capture_default_str();
  command->add_option("--json", flags->json, "also write the report as JSON")->type_name("FILE");
  AddTextFlags(*command, &flags->text);
  AddVectorFlags(*command, &flags->vectors);
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunBench(*flags, context); }; });
}

}  // namespace attendant::cli
