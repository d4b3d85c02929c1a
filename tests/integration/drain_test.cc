// The end of a server: what was accepted is finished, what comes later is sent elsewhere, nobody fails.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

class DrainTest : public InProcessTest {};

TEST_F(DrainTest, FinishesWhatWasAcceptedAndRefusesTheRest) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  gate_->CloseGate();
  const auto running = StartEmbed({"one"});
  gate_->WaitArrived(1);
  const int old_port = port();
  auto drained = std::async(std::launch::async, [&] { server_->Drain(); });
  // The listener closes some time after Drain has begun.
  RawStatus late;
  for (const auto until = steady_clock::now() + kLongEnough; steady_clock::now() < until;) {
    late = RawUnary(old_port, "Tokenize", EmbedMessage({"late"}), milliseconds(500)).status;
    if (late.code == absl::StatusCode::kUnavailable) break;
  }
  EXPECT_EQ(late.code, absl::StatusCode::kUnavailable) << late.message;
  EXPECT_EQ(drained.wait_for(seconds(0)), std::future_status::timeout) << "did not wait for the call under way";
  gate_->OpenGate();
  EXPECT_EQ(CountResults(running->Read().value_or("")), 1);
  EXPECT_EQ(running->Finish().code, absl::StatusCode::kOk);
  EXPECT_EQ(drained.wait_for(kLongEnough), std::future_status::ready);
}

TEST_F(DrainTest, HealthSaysSoFirstAndCallsStillGoThroughMeanwhile) {
  config_.drain_delay = seconds(2);
  ASSERT_NO_FATAL_FAILURE(StartServer());
  auto drained = std::async(std::launch::async, [&] { server_->Drain(); });
  client::ServingStatus health = client::ServingStatus::kServing;
  for (const auto until = steady_clock::now() + seconds(2); health == client::ServingStatus::kServing;) {
    ASSERT_LT(steady_clock::now(), until);
    const auto answer = client_->Health("");
    ASSERT_TRUE(answer.ok()) << answer.status();
    health = *answer;
  }
  EXPECT_EQ(health, client::ServingStatus::kNotServing);
  EXPECT_TRUE(client_->Embed({"in the delay"}, {}).ok());
  drained.get();
}

TEST_F(DrainTest, AnOpenStreamEndsWithUnavailableAfterItsAnswers) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  gate_->CloseGate();
  RawCall stream(port(), "EmbedStream");
  ASSERT_TRUE(stream.Send(EmbedStreamMessage("first", {"a"})));
  gate_->WaitArrived(1);
  auto drained = std::async(std::launch::async, [&] { server_->Drain(); });
  gate_->OpenGate();
  EXPECT_EQ(StreamResponseId(stream.Read().value_or("")), "first");
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_EQ(stream.Finish().code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(drained.wait_for(kLongEnough), std::future_status::ready);
}

TEST_F(DrainTest, TheTimeoutEndsWhatDoesNotEnd) {
  config_.drain_timeout = milliseconds(200);
  ASSERT_NO_FATAL_FAILURE(StartServer());
  gate_->CloseGate();
  const auto stuck = StartEmbed({"one"});
  gate_->WaitArrived(1);
  auto drained = std::async(std::launch::async, [&] { server_->Drain(); });
  const RawStatus status = stuck->Finish();
  EXPECT_NE(status.code, absl::StatusCode::kOk);
  gate_->OpenGate();
  EXPECT_EQ(drained.wait_for(kLongEnough), std::future_status::ready);
}

// What the clients of a rolling restart have done so far, and when they are to stop.
struct Traffic {
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0}, bulk_items{0};

  void WaitForProgress() const {
    const int calls_then = calls, items_then = bulk_items;
    const auto until = steady_clock::now() + kLongEnough;
    while ((calls < calls_then + 30 || bulk_items < items_then + 100) && steady_clock::now() < until) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    EXPECT_GE(calls, calls_then + 30);
    EXPECT_GE(bulk_items, items_then + 100);
  }
};

absl::Status FirstFailure(const std::vector<client::EmbedResult>& results) {
  for (const auto& result : results) {
    if (!result.status.ok()) return result.status;
  }
  return absl::OkStatus();
}

// One call after the other until told to stop; the first failure ends it.
absl::Status CallUntilStopped(const std::string& target, Traffic& traffic) {
  client::ClientOptions options;
  options.target = target;
  auto made = client::Client::Create(options);
  if (!made.ok()) return made.status();
  while (!traffic.stop) {
    const auto reply = (*made)->Embed({"a text", "another text"}, {});
    if (!reply.ok()) return reply.status();
    if (absl::Status failure = FirstFailure(reply->results); !failure.ok()) return failure;
    ++traffic.calls;
  }
  return absl::OkStatus();
}

// The same over a stream.
absl::Status StreamUntilStopped(const std::string& target, Traffic& traffic) {
  client::ClientOptions options;
  options.target = target;
  auto made = client::Client::Create(options);
  if (!made.ok()) return made.status();
  const auto summary = (*made)->EmbedAll(
      [&]() -> std::optional<absl::StatusOr<client::Item>> {
        if (traffic.stop) return std::nullopt;
        return client::Item("bulk text");
      },
      [&](int64_t, const std::vector<client::EmbedResult>& results) {
        traffic.bulk_items += static_cast<int>(results.size());
        return FirstFailure(results);
      },
      {});
  return summary.status();
}

// Clients on two replicas, each of which is ended and replaced while they call.
TEST(RollingRestart, FailsNoCall) {
  auto first = std::make_unique<ServerProcess>(std::vector<std::string>{"--threads", "1", "--log-level", "error"});
  auto second = std::make_unique<ServerProcess>(std::vector<std::string>{"--threads", "1", "--log-level", "error"});
  ASSERT_TRUE(first->WaitReady() && second->WaitReady());
  const std::string addresses[] = {"127.0.0.1:" + std::to_string(first->grpc_port()),
                                   "127.0.0.1:" + std::to_string(second->grpc_port())};
  Traffic traffic;
  std::vector<std::future<absl::Status>> workers;
  for (int i = 0; i < 3; ++i) {
    const std::string target = "ipv4:" + addresses[i % 2] + "," + addresses[(i + 1) % 2];
    workers.push_back(std::async(std::launch::async, [&, target] { return CallUntilStopped(target, traffic); }));
  }
  workers.push_back(std::async(
      std::launch::async, [&] { return StreamUntilStopped("ipv4:" + addresses[0] + "," + addresses[1], traffic); }));
  for (auto* replica : {&first, &second}) {
    traffic.WaitForProgress();
    const std::string address = addresses[replica == &first ? 0 : 1];
    (*replica)->Signal(SIGTERM);
    EXPECT_EQ((*replica)->WaitExit(), 0);
    traffic.WaitForProgress();
    *replica = std::make_unique<ServerProcess>(
        std::vector<std::string>{"--threads", "1", "--log-level", "error", "--grpc-address", address});
    ASSERT_TRUE((*replica)->WaitReady());
  }
  traffic.WaitForProgress();
  traffic.stop = true;
  for (auto& worker : workers) {
    const absl::Status status = worker.get();
    EXPECT_TRUE(status.ok()) << status;
  }
}

}  // namespace
}  // namespace attendant
