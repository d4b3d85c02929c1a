// `attendant compare`: how far apart are the vectors of two servers, two models or two precisions?
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "client/cli/canvas.h"
#include "client/cli/commands.h"
#include "client/cli/drift_report.h"
#include "client/cli/flags.h"
#include "client/cli/item_reader.h"
#include "client/lib/client.h"

namespace attendant::cli {
namespace {

// Both sides' vectors are in memory: 100,000 of 768 elements would be 600 MB.
constexpr size_t kMaxItems = 20'000;

struct CompareFlags {
  ConnectionFlags connection;  // of the first side; the second differs by the two below
  std::optional<std::string> other_server;
  std::optional<std::string> other_model;
  TextFlags text;
  VectorFlags vectors;
  InputFlags input;
  std::string plot;
  size_t num_worst = 5;
  std::optional<double> min_cosine;
  bool json = false;
};

struct Answers {
  client::ModelInfo model;
  std::vector<client::EmbedResult> results;
};

absl::StatusOr<Answers> EmbedAll(const ConnectionFlags& connection, const CompareFlags& flags,
                                 const std::vector<client::Item>& items) {
  auto client = Connect(connection);
  if (!client.ok()) return client.status();
  Answers answers;
  size_t next = 0;
  const auto source = [&]() -> std::optional<absl::StatusOr<client::Item>> {
    if (next == items.size()) return std::nullopt;
    return items[next++];
  };
  const auto sink = [&](int64_t, std::vector<client::EmbedResult> results) {
    std::move(results.begin(), results.end(), std::back_inserter(answers.results));
    return absl::OkStatus();
  };
  client::BulkOptions bulk;
  bulk.embed = ToEmbedOptions(connection, flags.text, flags.vectors);
  bulk.progress_timeout = connection.timeout();
  const auto summary = (*client)->EmbedAll(source, sink, bulk);
  if (!summary.ok()) return summary.status();
  auto model = (*client)->GetModel(connection.model, connection.call());
  if (!model.ok()) return model.status();
  if (model->fingerprint != summary->model_fingerprint) {
    return absl::AbortedError(absl::StrCat(connection.server, ": the model was swapped meanwhile; try again"));
  }
  answers.model = *std::move(model);
  return answers;
}

DriftSide ToSide(const ConnectionFlags& connection, const Answers& answers, const std::vector<size_t>& answered) {
  DriftSide side{connection.server, answers.model, {}};
  for (const size_t index : answered) side.vectors.push_back(answers.results[index].values);
  return side;
}

// Says which items have no two vectors, and why.
std::vector<size_t> AnsweredByBoth(const Answers& first, const Answers& second, Context& context) {
  std::vector<size_t> answered;
  for (size_t i = 0; i < first.results.size(); ++i) {
    const absl::Status& status = first.results[i].status.ok() ? second.results[i].status : first.results[i].status;
    if (status.ok()) {
      answered.push_back(i);
    } else {
      context.err << "attendant: item " << i + 1 << ": " << status.ToString() << "\n";
    }
  }
  return answered;
}

int Report(const CompareFlags& flags, const Drift& drift, Context& context) {
  if (flags.json) {
    PrintDriftJson(drift, flags.num_worst, context.out);
  } else {
    PrintDriftTable(drift, flags.num_worst, context.columns, context.out);
  }
  if (!flags.plot.empty()) {
    if (absl::Status status = WritePngFile(DrawDrift(drift), flags.plot); !status.ok()) {
      return ReportFailure(context, kExitFile, std::string(status.message()));
    }
  }
  if (drift.answered.size() < drift.items.size()) return kExitSomeFailed;
  // A NaN is below every minimum.
  if (flags.min_cosine.has_value() && (drift.cosines.empty() || !(drift.worst() >= *flags.min_cosine))) {
    return ReportFailure(context, kExitSomeFailed,
                         absl::StrCat("the worst cosine is below ", *flags.min_cosine, " (--min-cosine)"));
  }
  return kExitOk;
}

int RunCompare(const CompareFlags& flags, Context& context) {
  if (!flags.other_server.has_value() && !flags.other_model.has_value()) {
    return ReportFailure(context, kExitUsage, "nothing to compare with: give --other-model, --other-server or both");
  }
  auto reader = ItemReader::Open(flags.input, context);
  if (!reader.ok()) return ReportFailure(context, kExitUsage, std::string(reader.status().message()));
  auto items = ReadAllItems(**reader, kMaxItems);
  if (!items.ok()) return ReportFailure(context, kExitUsage, std::string(items.status().message()));
  ConnectionFlags other = flags.connection;
  other.server = flags.other_server.value_or(other.server);
  other.model = flags.other_model.value_or(other.model);
  const auto first = EmbedAll(flags.connection, flags, *items);
  if (!first.ok()) return ReportCallFailure(context, first.status());
  const auto second = EmbedAll(other, flags, *items);
  if (!second.ok()) return ReportCallFailure(context, second.status());
  Drift drift;
  drift.answered = AnsweredByBoth(*first, *second, context);
  if (drift.answered.empty()) return ReportFailure(context, kExitSomeFailed, "no item has two vectors");
  drift.items = *std::move(items);
  drift.first = ToSide(flags.connection, *first, drift.answered);
  drift.second = ToSide(other, *second, drift.answered);
  Measure(&drift);
  return Report(flags, drift, context);
}

}  // namespace

void AddCompareCommand(CLI::App& app, Action* chosen) {
  auto flags = std::make_shared<CompareFlags>();
  CLI::App* command = app.add_subcommand(
      "compare", "Compare the vectors of two servers, two models or two precisions of a model: drift table and plot");
  AddInputFlags(*command, &flags->input);
  command->add_option("--other-model", flags->other_model, "model of the second side (default: that of --model)")
      ->type_name("NAME");
  command->add_option("--other-server", flags->other_server, "server of the second side (default: that of --server)")
      ->type_name("HOST:PORT");
  command->add_option("--plot", flags->plot, "write a picture: similarities of one side against the other, and drift")
      ->type_name("FILE");
  command->add_option("--worst", flags->num_worst, "how many of the worst items to list")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_option("--min-cosine", flags->min_cosine, "end with status 1 when an item's cosine is below")
      ->check(CLI::Range(-1.0, 1.0))
      ->type_name("COSINE");
  command->add_flag("--json", flags->json, "JSON instead of a table");
  AddTextFlags(*command, &flags->text);
  AddVectorFlags(*command, &flags->vectors);
  AddModelFlag(*command, &flags->connection);
  AddConnectionFlags(*command, &flags->connection);
  command->callback([flags, chosen] { *chosen = [flags](Context& context) { return RunCompare(*flags, context); }; });
}

}  // namespace attendant::cli
