// Callers who leave: by cancelling, by their deadline, by breaking off a stream; while queued and while being computed.
#include <chrono>
#include <functional>
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;

class LeavingTest : public InProcessTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(StartServer());
    KeepBusy();
  }

  void KeepBusy() {
    const int arrived = gate_->arrived();
    gate_->CloseGate();
    running_ = StartEmbed({"the one that keeps the worker busy"});
    gate_->WaitArrived(arrived + 1);
  }

  // Everything before it in the queue has been served or dropped when this returns.
  void FinishAll() {
    gate_->OpenGate();
    EXPECT_TRUE(running_->Read().has_value());
    EXPECT_TRUE(client_->Embed({"the last one"}, {}).ok());
  }

  // What leave asks for and gives up again while the worker is busy. The server hears of it a moment later, on a thread
  // of its own, and nothing tells a test when; so there are several rounds, each with four times as much time.
  void ExpectNeverComputed(const std::function<void()>& leave) {
    for (milliseconds wait{2}; wait < std::chrono::seconds(5); wait *= 4) {
      const int finished = gate_->finished();
      leave();
      std::this_thread::sleep_for(wait);
      FinishAll();
      if (gate_->finished() == finished + 2) return;  // only the busy one and the last one
      KeepBusy();
    }
    FAIL() << "what nobody waited for was computed";
  }

  std::unique_ptr<RawCall> running_;
};

TEST_F(LeavingTest, CancelledInTheQueueIsNeverComputed) {
  ExpectNeverComputed([this] {
    const auto call = StartEmbed({"a", "b", "c"});
    call->Cancel();
    EXPECT_EQ(call->Finish().code, absl::StatusCode::kCancelled);
  });
}

TEST_F(LeavingTest, ExpiredInTheQueueIsNeverComputed) {
  ExpectNeverComputed([this] {
    const RawReply reply = RawUnary(port(), "Embed", EmbedMessage({"a", "b"}), milliseconds(100));
    EXPECT_EQ(reply.status.code, absl::StatusCode::kDeadlineExceeded);
  });
}

TEST_F(LeavingTest, TheClientsOwnTimeoutIsADeadline) {
  ExpectNeverComputed([this] {
    const auto reply = client_->Embed({"a"}, {}, {.timeout = milliseconds(100)});
    EXPECT_TRUE(absl::IsDeadlineExceeded(reply.status())) << reply.status();
  });
}

TEST_F(LeavingTest, ABrokenOffStreamIsNeverComputed) {
  ExpectNeverComputed([this] {
    RawCall stream(port(), "EmbedStream");
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(stream.Send(EmbedStreamMessage(std::to_string(i), {"a", "b"})));
    stream.Cancel();
    EXPECT_EQ(stream.Finish().code, absl::StatusCode::kCancelled);
  });
}

// The gate stands before the first layer: what leaves while it is closed is noticed between layers.
TEST_F(LeavingTest, CancelledDuringComputeIsDroppedBetweenLayers) {
  for (milliseconds wait{2}; gate_->abandoned() == 0 && wait < std::chrono::seconds(5); wait *= 4) {
    running_->Cancel();
    EXPECT_EQ(running_->Finish().code, absl::StatusCode::kCancelled);
    std::this_thread::sleep_for(wait);
    const int arrived = gate_->arrived();
    gate_->OpenGate();
    gate_->WaitFinished(arrived);
    KeepBusy();
  }
  EXPECT_EQ(gate_->abandoned(), 1);
}

TEST_F(LeavingTest, ExpiredDuringComputeIsDroppedBetweenLayers) {
  FinishAll();
  gate_->CloseGate();
  const int arrived = gate_->arrived();
  const auto call = StartEmbed({"short of time"}, milliseconds(300));
  gate_->WaitArrived(arrived + 1);
  EXPECT_EQ(call->Finish().code, absl::StatusCode::kDeadlineExceeded);
  // The server's clock started a little later.
  std::this_thread::sleep_for(milliseconds(300));
  gate_->OpenGate();
  gate_->WaitFinished(arrived + 1);
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
