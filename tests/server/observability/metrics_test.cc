#include "server/observability/metrics.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/collectable.h"
#include "tests/server/observability/promtool.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

ModelSample Model() {
  ModelSample model;
  model.name = "all-MiniLM-L6-v2";
  model.state = "READY";
  model.tokens = 120;
  model.compute = milliseconds(250);
  model.fingerprint = "0123abcd";
  model.precision = "fp32";
  model.kernels = "avx512";
  return model;
}

// The value of the series with exactly this name and labels, as text; "" when there is none.
std::string Value(const Metrics& metrics, const std::string& series) {
  std::istringstream lines(metrics.Render());
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(series + " ", 0) == 0) return line.substr(series.size() + 1);
  }
  return "";
}

void Exercise(Metrics* metrics) {
  metrics->SetModels([] { return std::vector<ModelSample>{Model()}; });
  metrics->SetWorkers(2);
  metrics->SetSchedulerStats([] {
    return SchedulerStats{
        .classes = {{{3, 50}, {7, 90}}}, .running_items = 4, .idle_workers = 1, .shedding = SheddingStage::kBulk};
  });
  metrics->RequestStarted(RpcMethod::kEmbed);
  metrics->RequestFinished({.method = RpcMethod::kEmbed,
                            .code = absl::StatusCode::kOk,
                            .total = milliseconds(9),
                            .tokenize = Microseconds(80),
                            .queue = milliseconds(2),
                            .compute = milliseconds(6)});
  metrics->ItemsFinished(RpcMethod::kEmbed, absl::StatusCode::kOk, 5);
  metrics->OnBatch({.items = 5, .tokens = 120, .compute = milliseconds(250), .predicted_us = 200'000});
  metrics->OnDropped({absl::StatusCode::kCancelled, DropStage::kQueue, 2, 30, 3e6});
  metrics->OnDropped({absl::StatusCode::kDeadlineExceeded, DropStage::kCompute, 1, 10, 5e5});
  metrics->OnRefused(Refusal::kDeadline, ServiceClass::kBulk);
}

TEST(Metrics, OneRequestLeavesItsBiography) {
  Metrics metrics("1.2.3");
  Exercise(&metrics);
  EXPECT_EQ(Value(metrics, R"(attendant_requests_total{code="OK",method="Embed"})"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_items_total{code="OK",method="Embed"})"), "5");
  EXPECT_EQ(Value(metrics, R"(attendant_request_seconds_count{method="Embed"})"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_request_seconds_bucket{method="Embed",le="0.005"})"), "0");
  EXPECT_EQ(Value(metrics, R"(attendant_request_seconds_bucket{method="Embed",le="0.01"})"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_tokenize_seconds_bucket{le="0.0001"})"), "1");
  EXPECT_EQ(Value(metrics, "attendant_queue_seconds_count"), "1");
  EXPECT_EQ(Value(metrics, "attendant_compute_seconds_count"), "1");
  EXPECT_EQ(Value(metrics, "attendant_batch_items_sum"), "5");
  EXPECT_EQ(Value(metrics, "attendant_batch_tokens_sum"), "120");
  EXPECT_EQ(Value(metrics, "attendant_tokens_total"), "120");
  EXPECT_EQ(Value(metrics, "attendant_padding_tokens_total"), "0");
  EXPECT_EQ(Value(metrics, "attendant_worker_busy_seconds_total"), "0.25");
  EXPECT_EQ(Value(metrics, "attendant_workers"), "2");
  EXPECT_EQ(Value(metrics, "attendant_ready"), "0");
  metrics.SetReady(true);
  EXPECT_EQ(Value(metrics, "attendant_ready"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_dropped_items_total{reason="CANCELLED",stage="queue"})"), "2");
  EXPECT_EQ(Value(metrics, R"(attendant_dropped_items_total{reason="DEADLINE_EXCEEDED",stage="compute"})"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_build_info{version="1.2.3"})"), "1");
  EXPECT_THAT(metrics.Render(), HasSubstr(R"(fingerprint="0123abcd")"));
}

TEST(Metrics, StagesThatWereNotReachedAreNotObserved) {
  Metrics metrics("1");
  metrics.RequestStarted(RpcMethod::kEmbed);
  metrics.RequestFinished({.method = RpcMethod::kEmbed, .code = absl::StatusCode::kInvalidArgument});
  EXPECT_EQ(Value(metrics, R"(attendant_requests_total{code="INVALID_ARGUMENT",method="Embed"})"), "1");
  EXPECT_EQ(Value(metrics, "attendant_tokenize_seconds_count"), "0");
  EXPECT_EQ(Value(metrics, "attendant_queue_seconds_count"), "0");
  EXPECT_EQ(Value(metrics, "attendant_compute_seconds_count"), "0");
}

TEST(Metrics, InFlightAndStreamsGoUpAndDown) {
  Metrics metrics("1");
  metrics.RequestStarted(RpcMethod::kTokenize);
  metrics.RequestStarted(RpcMethod::kTokenize);
  metrics.RequestFinished({.method = RpcMethod::kTokenize});
  metrics.StreamOpened(RpcMethod::kEmbedStream);
  metrics.StreamOpened(RpcMethod::kEmbed);  // not a stream: counted nowhere
  EXPECT_EQ(Value(metrics, R"(attendant_requests_in_flight{method="Tokenize"})"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_open_streams{method="EmbedStream"})"), "1");
  metrics.StreamClosed(RpcMethod::kEmbedStream);
  EXPECT_EQ(Value(metrics, R"(attendant_open_streams{method="EmbedStream"})"), "0");
}

TEST(Metrics, SchedulerIsAskedAtEveryScrapeUntilItIsGone) {
  Metrics metrics("1");
  EXPECT_EQ(Value(metrics, R"(attendant_queue_items{class="interactive"})"), "");
  int64_t queued = 7;
  metrics.SetSchedulerStats([&] { return SchedulerStats{.classes = {{{queued, queued * 10}, {}}}}; });
  EXPECT_EQ(Value(metrics, R"(attendant_queue_items{class="interactive"})"), "7");
  EXPECT_EQ(Value(metrics, R"(attendant_queue_items{class="bulk"})"), "0");
  queued = 8;
  EXPECT_EQ(Value(metrics, R"(attendant_queue_tokens{class="interactive"})"), "80");
  metrics.SetSchedulerStats(nullptr);
  EXPECT_EQ(Value(metrics, R"(attendant_queue_items{class="interactive"})"), "");
}

TEST(Metrics, LabelsComeFromFixedSets) {
  Metrics metrics("1");
  const size_t before = metrics.Render().size();
  for (int i = 0; i < 1000; ++i) {
    metrics.RequestStarted(static_cast<RpcMethod>(99 + i));
    metrics.RequestFinished({.method = static_cast<RpcMethod>(99 + i), .code = static_cast<absl::StatusCode>(100 + i)});
  }
  EXPECT_LT(metrics.Render().size(), before + 500);
  EXPECT_THAT(metrics.Render(), HasSubstr("UNKNOWN"));
}

TEST(Metrics, ModelsComeAndGoWithTheirSeries) {
  Metrics metrics("1");
  std::vector<ModelSample> models = {Model(), {.name = "old", .state = "DRAINING"}, {.name = "bad", .state = "FAILED"}};
  metrics.SetModels([&] { return models; });
  EXPECT_EQ(Value(metrics, R"(attendant_model_tokens_total{model="all-MiniLM-L6-v2"})"), "120");
  EXPECT_EQ(Value(metrics, R"(attendant_model_compute_seconds_total{model="all-MiniLM-L6-v2"})"), "0.25");
  EXPECT_EQ(Value(metrics, R"(attendant_model_state{model="bad",state="FAILED"})"), "1");
  EXPECT_EQ(Value(metrics, R"(attendant_model_tokens_total{model="bad"})"), "");
  EXPECT_EQ(Value(metrics, "attendant_models_draining"), "1");
  models.clear();
  EXPECT_EQ(Value(metrics, R"(attendant_model_tokens_total{model="all-MiniLM-L6-v2"})"), "");
  metrics.SetModels(nullptr);
  EXPECT_EQ(Value(metrics, "attendant_models_draining"), "");
}

TEST(Metrics, AModelNameCannotSpoilTheScrape) {
  Metrics metrics("1\n2");
  metrics.SetModels([] {
    ModelSample model = Model();
    model.name = "bad\xff\"name\\\n";
    return std::vector<ModelSample>{model};
  });
  EXPECT_THAT(metrics.Render(), HasSubstr(R"(model="bad_\"name\\_")"));
}

TEST(Metrics, NamesAreThoseOfGrpc) {
  EXPECT_EQ(StatusCodeName(absl::StatusCode::kOk), "OK");
  EXPECT_EQ(StatusCodeName(absl::StatusCode::kDeadlineExceeded), "DEADLINE_EXCEEDED");
  EXPECT_EQ(StatusCodeName(absl::StatusCode::kResourceExhausted), "RESOURCE_EXHAUSTED");
  EXPECT_EQ(StatusCodeName(absl::StatusCode::kUnavailable), "UNAVAILABLE");
  EXPECT_EQ(StatusCodeName(absl::StatusCode::kUnauthenticated), "UNAUTHENTICATED");
  for (int code = 0; code <= 16; ++code) {
    const auto canonical = static_cast<absl::StatusCode>(code);
    if (canonical == absl::StatusCode::kOk || canonical == absl::StatusCode::kCancelled) continue;
    EXPECT_EQ(StatusCodeName(canonical), absl::StatusCodeToString(canonical));
  }
  EXPECT_EQ(RpcMethodName(RpcMethod::kRank), "Rank");
  EXPECT_EQ(RpcMethodName(RpcMethod::kSimilarity), "Similarity");
  EXPECT_EQ(RpcMethodName(RpcMethod::kGetModel), "GetModel");
}

TEST(Metrics, CountsExactlyFromManyThreads) {
  Metrics metrics("1");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        metrics.RequestStarted(RpcMethod::kEmbed);
        metrics.RequestFinished({.method = RpcMethod::kEmbed, .code = static_cast<absl::StatusCode>(i % 17)});
        if (i % 500 == 0) metrics.Render();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Value(metrics, R"(attendant_request_seconds_count{method="Embed"})"), "8000");
  EXPECT_EQ(Value(metrics, R"(attendant_requests_in_flight{method="Embed"})"), "0");
  EXPECT_EQ(Value(metrics, R"(attendant_requests_total{code="INTERNAL",method="Embed"})"), "468");
}

TEST(Metrics, PromtoolFindsNothing) {
  Metrics metrics("1.2.3");
  Exercise(&metrics);
  ExpectPromtoolClean(metrics.Render());
}

TEST(Metrics, PromtoolWouldFindSomething) {
  if (!HavePromtool()) GTEST_SKIP() << "promtool is not installed";
  EXPECT_THAT(PromtoolComplaints("# TYPE bad_count counter\nbad_count 1\n"), Not(testing::IsEmpty()));
}

}  // namespace
}  // namespace attendant
