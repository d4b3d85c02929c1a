#include "client/cli/bench_report.h"

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/format.h"

namespace attendant::cli {
namespace {

struct Percentile {
  const char* name;
  double percent;
};
constexpr auto kPercentiles =
    std::to_array<Percentile>({{"p50", 50}, {"p90", 90}, {"p95", 95}, {"p99", 99}, {"p99.9", 99.9}});
constexpr int kCell = 10;

struct Stage {
  const char* name;  // for people
  const char* key;   // in JSON
  const Histogram* histogram;
};

std::vector<Stage> Stages(const LoadOutcome& outcome) {
  return {{"client, total", "client_total", &outcome.latency_us},
          {"server, total", "server_total", &outcome.server_total_us},
          {"  tokenise", "tokenize", &outcome.tokenize_us},
          {"  queue", "queue", &outcome.queue_us},
          {"  compute", "compute", &outcome.compute_us},
          {"refusals", "refused", &outcome.refused_us}};
}

double PerSecond(int64_t count, const LoadOutcome& outcome) {
  return outcome.seconds > 0 ? static_cast<double>(count) / outcome.seconds : 0;
}

std::string Errors(const std::map<absl::StatusCode, int64_t>& errors) {
  std::string text;
  for (const auto& [code, count] : errors) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", absl::StatusCodeToString(code), " ", WithCommas(count));
  }
  return text.empty() ? "none" : text;
}

std::string ErrorsJson(const std::map<absl::StatusCode, int64_t>& errors) {
  std::string text;
  for (const auto& [code, count] : errors) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", "\"", absl::StatusCodeToString(code), "\": ", count);
  }
  return absl::StrCat("{", text, "}");
}

std::string HistogramJson(const Histogram& histogram) {
  std::string text = absl::StrCat("{\"count\": ", histogram.count(), ", \"mean\": ", Fixed(histogram.mean(), 1),
                                  ", \"min\": ", histogram.min());
  for (const Percentile& percentile : kPercentiles) {
    absl::StrAppend(&text, ", \"", percentile.name, "\": ", histogram.Percentile(percentile.percent));
  }
  return absl::StrCat(text, ", \"max\": ", histogram.max(), "}");
}

int64_t FailedRequests(const LoadOutcome& outcome) {
  int64_t failed = 0;
  for (const auto& [code, count] : outcome.failed_requests) failed += count;
  return failed;
}

std::string LatencyTable(const LoadOutcome& outcome) {
  std::string text = PaddedRight("milliseconds", 16);
  for (const Percentile& percentile : kPercentiles) text += PaddedLeft(percentile.name, kCell);
  text += PaddedLeft("max", kCell) + PaddedLeft("mean", kCell) + "\n";
  for (const Stage& stage : Stages(outcome)) {
    if (stage.histogram->count() == 0) continue;
    text += PaddedRight(stage.name, 16);
    for (const Percentile& percentile : kPercentiles) {
      text += PaddedLeft(Fixed(static_cast<double>(stage.histogram->Percentile(percentile.percent)) / 1000, 2), kCell);
    }
    text += PaddedLeft(Fixed(static_cast<double>(stage.histogram->max()) / 1000, 2), kCell);
    text += PaddedLeft(Fixed(stage.histogram->mean() / 1000, 2), kCell) + "\n";
  }
  return text;
}

}  // namespace

std::string BenchText(const BenchSubject& subject, const LoadOutcome& outcome) {
  std::string text = absl::StrCat("server      ", subject.server, ", model ", subject.model.name, ", ",
                                  subject.model.precision, ", kernels ", subject.model.kernels, "\n", "load        ",
                                  subject.mode, "\n", "requests    ", subject.workload, "\n");
  absl::StrAppend(&text, "answered    ", WithCommas(outcome.requests - FailedRequests(outcome)), " requests in ",
                  Fixed(outcome.seconds, 2),
                  " s: ", Fixed(PerSecond(outcome.requests - FailedRequests(outcome), outcome), 1), " requests/s, ",
                  Fixed(PerSecond(outcome.items, outcome), 1), " items/s, ",
                  WithCommas(std::llround(PerSecond(outcome.tokens, outcome))), " tokens/s\n");
  absl::StrAppend(&text, "failed      requests: ", Errors(outcome.failed_requests),
                  "; items: ", Errors(outcome.item_errors), "\n");
  if (outcome.unsent > 0) {
    absl::StrAppend(&text, "            ", WithCommas(outcome.unsent),
                    " more requests were due and never sent: the server did not keep up, and the latencies below"
                    " leave them out\n");
  }
  return text + LatencyTable(outcome);
}

std::string BenchJson(const BenchSubject& subject, const LoadOutcome& outcome) {
  const LoadPlan& plan = subject.plan;
  std::string text = absl::StrCat(
      "{\"server\": ", JsonString(subject.server), ", \"model\": ", JsonString(subject.model.name),
      ", \"model_fingerprint\": ", JsonString(subject.model.fingerprint),
      ", \"precision\": ", JsonString(subject.model.precision), ", \"kernels\": ", JsonString(subject.model.kernels),
      ", \"workload\": ", JsonString(subject.workload));
  absl::StrAppend(&text, ", \"loop\": \"", plan.rate > 0 ? "open" : "closed", "\", \"rate\": ", plan.rate,
                  ", \"concurrency\": ", plan.concurrency, ", \"stream\": ", subject.stream ? "true" : "false",
                  ", \"items_per_request\": ", subject.items_per_request, ", \"seed\": ", plan.seed);
  absl::StrAppend(&text, ", \"seconds\": ", Fixed(outcome.seconds, 6), ", \"requests\": ", outcome.requests,
                  ", \"failed_requests\": ", ErrorsJson(outcome.failed_requests),
                  ", \"unsent_requests\": ", outcome.unsent, ", \"items\": ", outcome.items,
                  ", \"failed_items\": ", ErrorsJson(outcome.item_errors), ", \"tokens\": ", outcome.tokens);
  absl::StrAppend(
      &text, ", \"requests_per_second\": ", Fixed(PerSecond(outcome.requests - FailedRequests(outcome), outcome), 3),
      ", \"items_per_second\": ", Fixed(PerSecond(outcome.items, outcome), 3),
      ", \"tokens_per_second\": ", Fixed(PerSecond(outcome.tokens, outcome), 3), ", \"latency_us\": {");
  const char* separator = "";
  for (const Stage& stage : Stages(outcome)) {
    absl::StrAppend(&text, separator, "\"", stage.key, "\": ", HistogramJson(*stage.histogram));
    separator = ", ";
  }
  return absl::StrCat(text, "}}\n");
}

}  // namespace attendant::cli
