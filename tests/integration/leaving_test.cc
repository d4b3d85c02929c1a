// Callers who leave: by cancelling, by their deadline, by breaking off a stream; while queued and while being computed.
#include <chrono>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;

class LeavingTest : public InProcessTest {
 protected:
  void SetUp() override {
    StartServer();
    gate_->CloseGate();
    running_ = StartEmbed({"the one that keeps the worker busy"});
    gate_->WaitArrived(1);
  }

  // Everything before it in the queue has been served or dropped when this returns.
  void FinishAll() {
    gate_->OpenGate();
    EXPECT_TRUE(running_->Read().has_value());
    EXPECT_TRUE(client_->Embed({"the last one"}, {}).ok());
  }

  std::unique_ptr<RawCall> running_;
};

TEST_F(LeavingTest, CancelledInTheQueueIsNeverComputed) {
  const auto call = StartEmbed({"a", "b", "c"});
  call->Cancel();
  EXPECT_EQ(call->Finish().code, absl::StatusCode::kCancelled);
  FinishAll();
  EXPECT_EQ(gate_->finished(), 2) << "only the first and the last";
}

TEST_F(LeavingTest, ExpiredInTheQueueIsNeverComputed) {
  const RawReply reply = RawUnary(port(), "Embed", EmbedMessage({"a", "b"}), milliseconds(100));
  EXPECT_EQ(reply.status.code, absl::StatusCode::kDeadlineExceeded);
  FinishAll();
  EXPECT_EQ(gate_->finished(), 2);
}

TEST_F(LeavingTest, TheClientsOwnTimeoutIsADeadline) {
  const auto reply = client_->Embed({"a"}, {}, {.timeout = milliseconds(100)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(reply.status())) << reply.status();
  FinishAll();
  EXPECT_EQ(gate_->finished(), 2);
}

TEST_F(LeavingTest, CancelledDuringComputeIsDroppedBetweenLayers) {
  running_->Cancel();
  EXPECT_EQ(running_->Finish().code, absl::StatusCode::kCancelled);
  // The server hears of it on a thread of its own: until then the gate stays closed. A call on the same worker that is
  // cancelled later and seen to be gone would prove nothing, so ask for the effect.
  const auto until = std::chrono::steady_clock::now() + kLongEnough;
  int abandoned = 0;
  for (int round = 0; abandoned == 0 && std::chrono::steady_clock::now() < until; ++round) {
    const int finished = gate_->finished();
    gate_->OpenGate();
    gate_->WaitFinished(finished + 1);
    abandoned = gate_->abandoned();
    if (abandoned > 0) break;
    gate_->CloseGate();
    const int arrived = gate_->arrived();
    running_ = StartEmbed({"again"});
    gate_->WaitArrived(arrived + 1);
    running_->Cancel();
    running_->Finish();
  }
  EXPECT_EQ(abandoned, 1);
}

TEST_F(LeavingTest, ExpiredDuringComputeIsDroppedBetweenLayers) {
  gate_->OpenGate();
  EXPECT_TRUE(running_->Read().has_value());
  gate_->CloseGate();
  const auto call = StartEmbed({"short of time"}, milliseconds(300));
  gate_->WaitArrived(2);
  EXPECT_EQ(call->Finish().code, absl::StatusCode::kDeadlineExceeded);
  gate_->OpenGate();
  gate_->WaitFinished(2);
  EXPECT_EQ(gate_->abandoned(), 1);
}

TEST_F(LeavingTest, NeighboursOfOneWhoLeavesKeepTheirBytes) {
  const auto leaver = StartEmbed({"leaves", "leaves"});
  const auto stayer = StartEmbed({"stays"});
  leaver->Cancel();
  gate_->OpenGate();
  const std::string with = stayer->Read().value_or("");
  EXPECT_EQ(with, RawUnary(port(), "Embed", EmbedMessage({"stays"})).message);
  EXPECT_FALSE(with.empty());
}

TEST_F(LeavingTest, ABrokenOffStreamIsNotComputed) {
  {
    RawCall stream(port(), "EmbedStream");
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(stream.Send(EmbedStreamMessage(std::to_string(i), {"a", "b"})));
    stream.Cancel();
    EXPECT_EQ(stream.Finish().code, absl::StatusCode::kCancelled);
  }
  FinishAll();
  EXPECT_EQ(gate_->finished(), 2);
}

TEST_F(LeavingTest, AStormOfLeaversHarmsNobody) {
  std::vector<std::unique_ptr<RawCall>> calls;
  for (int i = 0; i < 60; ++i) {
    calls.push_back(StartEmbed({"text " + std::to_string(i)}));
    if (i % 2 == 0) calls.back()->Cancel();
    if (i == 20) gate_->OpenGate();
  }
  for (size_t i = 0; i < calls.size(); ++i) {
    const std::string reply = calls[i]->Read().value_or("");
    const RawStatus status = calls[i]->Finish();
    if (i % 2 == 1) {
      EXPECT_EQ(status.code, absl::StatusCode::kOk) << status.message;
      EXPECT_EQ(CountResults(reply), 1);
    } else {
      EXPECT_TRUE(status.code == absl::StatusCode::kCancelled || status.code == absl::StatusCode::kOk);
    }
  }
}

}  // namespace
}  // namespace attendant
