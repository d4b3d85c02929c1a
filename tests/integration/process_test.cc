// The server as a process: starting, failing to start, signals, idling, metrics and logs.
#include <signal.h>

#include <chrono>
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Process, TheSecondServerOnAnAddressSaysSo) {
  ServerProcess first({});
  ASSERT_TRUE(first.WaitReady());
  const std::string address = "127.0.0.1:" + std::to_string(first.grpc_port());
  ServerProcess second({"--grpc-address", address});
  EXPECT_FALSE(second.WaitReady());
  EXPECT_EQ(second.WaitExit(), 1);
  EXPECT_THAT(second.Log(), AllOf(HasSubstr("level=error"), HasSubstr(address)));
  const std::string metrics = "127.0.0.1:" + std::to_string(first.metrics_port());
  ServerProcess third({"--metrics-address", metrics});
  EXPECT_FALSE(third.WaitReady());
  EXPECT_EQ(third.WaitExit(), 1);
  EXPECT_THAT(third.Log(), AllOf(HasSubstr("level=error"), HasSubstr(metrics)));
}

TEST(Process, AModelThatIsNoneIsAnErrorThatNamesIt) {
  ServerProcess server({"--model", "/nonexistent/model"});
  EXPECT_FALSE(server.WaitReady());
  EXPECT_EQ(server.WaitExit(), 1);
  EXPECT_THAT(server.Log(), HasSubstr("/nonexistent/model"));
}

TEST(Process, SigtermEndsWithZeroAndTheLogTellsTheStory) {
  ServerProcess server({"--threads", "2"});
  ASSERT_TRUE(server.WaitReady());
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitExit(), 0);
  EXPECT_THAT(server.Log(),
              AllOf(HasSubstr("event=\"model loaded\""), HasSubstr("fingerprint="), HasSubstr("kernels_reason="),
                    HasSubstr("threads=2"), HasSubstr("max_queued_tokens="), HasSubstr("event=\"server started\""),
                    HasSubstr("event=draining"), HasSubstr("event=stopped")));
}

TEST(Process, ASecondSignalEndsItAtOnce) {
  ServerProcess server({"--drain-delay-ms", "60000"});
  ASSERT_TRUE(server.WaitReady());
  server.Signal(SIGTERM);
  const auto start = std::chrono::steady_clock::now();
  while (server.Log().find("draining") == std::string::npos && std::chrono::steady_clock::now() < start + kLongEnough) {
    std::this_thread::yield();
  }
  server.Signal(SIGTERM);
  EXPECT_NE(server.WaitExit(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(30));
}

TEST(Process, MetricsTellOfEveryRequest) {
  ServerProcess server({"--threads", "1"});
  ASSERT_TRUE(server.WaitReady());
  for (int i = 0; i < 3; ++i) RawUnary(server.grpc_port(), "Embed", EmbedMessage({"a", "b"}));
  RawUnary(server.grpc_port(), "Embed", EmbedMessage({}));
  RawCall stream(server.grpc_port(), "EmbedStream");
  ASSERT_TRUE(stream.Send(EmbedStreamMessage("x", {"a"})));
  stream.CloseSending();
  ASSERT_TRUE(stream.Read().has_value());
  EXPECT_EQ(stream.Finish().code, absl::StatusCode::kOk);
  const int port = server.metrics_port();
  // A request is counted when it is over, which its caller may know a moment earlier.
  const auto eventually = [&](const std::string& series, double value) {
    const auto until = std::chrono::steady_clock::now() + kLongEnough;
    while (MetricValue(port, series) != value && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_EQ(MetricValue(port, series), value) << series;
  };
  eventually(R"(attendant_requests_total{code="OK",method="Embed"})", 3);
  eventually(R"(attendant_requests_total{code="INVALID_ARGUMENT",method="Embed"})", 1);
  eventually(R"(attendant_requests_total{code="OK",method="EmbedStream"})", 1);
  eventually(R"(attendant_items_total{code="OK",method="Embed"})", 6);
  eventually(R"(attendant_requests_in_flight{method="Embed"})", 0);
  eventually(R"(attendant_open_streams{method="EmbedStream"})", 0);
  eventually("attendant_compute_seconds_count", 4);
  eventually("attendant_queue_seconds_count", 4);
  eventually("attendant_padding_tokens_total", 0);
  eventually("attendant_queue_items{class=\"interactive\"}", 0);
  eventually("attendant_idle_workers", 1);
  EXPECT_GT(MetricValue(port, "attendant_tokens_total"), 0);
  EXPECT_GT(MetricValue(port, "process_resident_memory_bytes"), 0);
}

TEST(Process, IdlesWithoutCpu) {
  ServerProcess server({"--threads", "2", "--log-level", "error"});
  ASSERT_TRUE(server.WaitReady());
  RawUnary(server.grpc_port(), "Embed", EmbedMessage({"warm"}));
  // Time is what is measured here: of 5 s, 0.3 %, a third of that where waking up is not dear.
  const double before = server.CpuSeconds();
  std::this_thread::sleep_for(std::chrono::seconds(5));
  EXPECT_LE(server.CpuSeconds() - before, 0.0151);
}

}  // namespace
}  // namespace attendant
