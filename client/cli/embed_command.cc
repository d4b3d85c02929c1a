// `attendant embed`: any number of items in, vectors out, in constant memory.
#include <CLI/CLI.hpp>
#include <chrono>
#include <deque>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/format.h"
#include "client/cli/item_reader.h"
#include "client/cli/progress_bar.h"
#include "client/cli/result_output.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

using std::chrono::steady_clock;

struct EmbedFlags {
  ConnectionFlags connection;
  TextFlags text;
  VectorFlags vectors;
  InputFlags input;
  std::string output;
  std::string format = "auto";
  int32_t batch_size = 32;
  int32_t in_flight = 8;
  bool per_token = false;
  bool metadata = false;
  bool quiet = false;
};

client::BulkOptions ToBulkOptions(const EmbedFlags& flags) {
  client::BulkOptions bulk;
  bulk.embed = ToEmbedOptions(flags.connection, flags.text, flags.vectors);
  bulk.embed.output = flags.per_token ? client::Output::kTokens : client::Output::kPooled;
  bulk.embed.include_metadata = flags.metadata;
  bulk.max_batch_items = flags.batch_size;
  bulk.max_in_flight = flags.in_flight;
  bulk.progress_timeout = flags.connection.timeout();
  return bulk;
}

// The length of a row when no item told it.
int64_t FallbackColumns(client::Client& client, const EmbedFlags& flags) {
  const auto model = client.GetModel(flags.connection.model, flags.connection.call());
  if (!model.ok()) return 0;  // the call itself will report it
  if (flags.per_token) return model->hidden_size;
  if (flags.vectors.pooling.empty()) return model->dimension;
  return static_cast<int64_t>(model->hidden_size) * static_cast<int64_t>(flags.vectors.pooling.size());
}

absl::StatusOr<std::unique_ptr<ResultOutput>> OpenOutput(client::Client& client, const EmbedFlags& flags,
                                                         Context& context) {
  if (flags.output.empty() || flags.output == "-") {
    const bool table = flags.format == "table" || (flags.format == "auto" && context.out_is_terminal);
    if (table) return NewTableOutput(context.out, context.columns);
    return NewJsonLinesOutput(context.out);
  }
  if (flags.output.ends_with(".npy")) {
    const client::Output kind = flags.per_token ? client::Output::kTokens : client::Output::kPooled;
    return NewNpyOutput(flags.output, kind, FallbackColumns(client, flags));
  }
  return NewJsonLinesFile(flags.output);
}

// One run: the source and the sink of EmbedAll, and what they share.
class EmbedRun {
 public:
  EmbedRun(const EmbedFlags& flags, Context& context, ItemReader& reader, ResultOutput& output)
      : context_(context),
        reader_(reader),
        output_(output),
        start_(steady_clock::now()),
        bar_(context.err, context.err_is_terminal && !flags.quiet, start_) {}

  std::optional<absl::StatusOr<client::Item>> Next() {
    std::optional<ItemReader::Entry> entry = reader_.Next();
    if (!entry.has_value()) return std::nullopt;
    numbers_.push_back(entry->number);
    return std::move(entry->item);
  }

  absl::Status Accept(const std::vector<client::EmbedResult>& results) {
    for (const client::EmbedResult& result : results) {
      const int64_t number = numbers_.front();
      numbers_.pop_front();
      if (!result.status.ok()) ReportItem(number, result.status);
      if (absl::Status status = output_.Write(number, result); !status.ok()) {
        local_fault_ = status;
        return status;
      }
      ++done_;
    }
    bar_.Update(reader_.progress(), done_, steady_clock::now());
    return absl::OkStatus();
  }

  void EndProgress() { bar_.Clear(); }
  double seconds() const { return std::chrono::duration<double>(steady_clock::now() - start_).count(); }
  const absl::Status& local_fault() const { return local_fault_; }

 private:
  void ReportItem(int64_t number, const absl::Status& status) {
    bar_.Clear();
    const std::string name = absl::StatusCodeToString(status.code());
    context_.err << "attendant: " << reader_.Where(number) << ": " << name << ": " << std::string(status.message())
                 << "\n";
  }

  Context& context_;
  ItemReader& reader_;
  ResultOutput& output_;
  std::deque<int64_t> numbers_;  // of the items read and not yet answered; as many as EmbedAll's window holds
  steady_clock::time_point start_;
  ProgressBar bar_;
  int64_t done_ = 0;
  absl::Status local_fault_;
};

void PrintMetadata(const client::BulkSummary& summary, double seconds, std::ostream& err) {
  const auto rate = [seconds](int64_t count) {
    return WithCommas(static_cast<int64_t>(static_cast<double>(count) / std::max(seconds, 1e-9)));
  };
  err << "model        " << summary.model << ", fingerprint " << summary.model_fingerprint << "\n"
      << "items        " << WithCommas(summary.items) << " (" << WithCommas(summary.failed_items) << " failed), "
      << rate(summary.items) << "/s\n"
      << "tokens       " << WithCommas(summary.tokens_used) << " (" << WithCommas(summary.tokens_dropped)
      << " more dropped by truncation), " << rate(summary.tokens_used) << "/s\n"
      << "requests     " << WithCommas(summary.batches) << " (" << summary.resent_batches << " resent, "
      << summary.reconnects << " reconnects)\n"
      << "wall clock   " << Fixed(seconds, 3) << " s\n"
      << "server, sum  tokenise " << MillisecondsText(summary.cost.tokenize_us) << ", queue "
      << MillisecondsText(summary.cost.queue_us) << ", compute " << MillisecondsText(summary.cost.compute_us)
      << ", total " << MillisecondsText(summary.cost.total_us) << "\n"
      << "batches      up to " << summary.cost.batch_items << " items, " << summary.cost.batch_tokens << " tokens\n";
}

int RunEmbed(const EmbedFlags& flags, Context& context) {
  auto client = Connect(flags.connection);
  if (!client.ok()) return ReportFailure(context, kExitUsage, std::string(client.status().message()));
  auto reader = ItemReader::Open(flags.input, context);
  if (!reader.ok()) return ReportFailure(context, kExitUsage, std::string(reader.status().message()));
  auto output = OpenOutput(**client, flags, context);
  if (!output.ok()) return ReportFailure(context, kExitFile, std::string(output.status().message()));

  EmbedRun run(flags, context, **reader, **output);
  const auto summary = (*client)->EmbedAll(
      [&run] { return run.Next(); },
      [&run](int64_t, std::vector<client::EmbedResult> results) { return run.Accept(results); }, ToBulkOptions(flags));
  const double seconds = run.seconds();
  run.EndProgress();
  if (!summary.ok()) {
    const std::string kept = (*output)->Abandon();
    if (!kept.empty()) context.err << "attendant: " << kept << "\n";
    if (!run.local_fault().ok()) return ReportFailure(context, kExitFile, std::string(run.local_fault().message()));
    return ReportCallFailure(context, summary.status());
  }
  if (absl::Status status = (*output)->Finish(); !status.ok()) {
    return ReportFailure(context, kExitFile, std::string(status.message()));
  }
  if (flags.metadata) PrintMetadata(*summary, seconds, context.err);
  if ((*reader)->failed()) return ReportFailure(context, kExitFile, "the input could not be read to its end");
  if (summary->failed_items == 0) return kExitOk;
  return ReportFailure(context, kExitSomeFailed,
                       absl::StrCat(summary->failed_items, " of ", summary->items, " items failed"));
}

}  // namespace

void AddEmbedCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<EmbedFlags>();
  CLI::App* command = app.add_subcommand("embed", "Embed texts, pairs or token ids");
  AddInputFlags(*command, &flags->input);
  command
      ->add_option("-o,--output", flags->output,
                   "file to write: FILE.npy (float32, one row an item in input order, NaN where an item failed) or "
                   "FILE.jsonl; without it JSON lines, or a table on a terminal, on standard output")
      ->type_name("FILE");
  command->add_option("--format", flags->format, "of standard output: auto, jsonl, table")
      ->check(CLI::IsMember({"auto", "jsonl", "table"}));
  command->add_option("--batch-size", flags->batch_size, "items in one request")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--in-flight", flags->in_flight, "requests on their way at the same time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  AddTextFlags(*command, &flags->text);
  AddVectorFlags(*command, &flags->vectors);
  command->add_flag("--per-token", flags->per_token,
                    "a vector for every token instead of one; FILE.npy gets a companion FILE.offsets.npy");
  command->add_flag("--metadata", flags->metadata, "say afterwards, on standard error, what it cost");
  command->add_flag("-q,--quiet", flags->quiet, "no progress bar");
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunEmbed(*flags, context); }; });
}

}  // namespace attendant::cli
