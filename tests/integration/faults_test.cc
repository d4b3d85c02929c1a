// An engine that fails, under a server that is otherwise real: only what was in the failing batch fails, with the right
// code, and everything else goes on.
#include <ctime>
#include <future>
#include <vector>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"
#include "tests/testing/faulty_runner.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

class FaultsTest : public InProcessTest {
 protected:
  FaultsTest() {
    config_.threads = 2;
    decorate_ = [this](std::unique_ptr<BatchRunner> real) {
      auto made = std::make_unique<FaultyRunner>(std::move(real));
      faults_ = made.get();
      return made;
    };
  }
  ~FaultsTest() override {
    if (faults_ != nullptr) faults_->Release();
  }

  static client::Item With(int32_t id) { return client::TokenIds{{2, id, 3}, {}, false}; }

  absl::StatusOr<client::EmbedReply> Embed(const std::vector<client::Item>& items, milliseconds timeout = kLongEnough) {
    client::CallOptions call;
    call.timeout = timeout;
    return client_->Embed(items, {}, call);
  }

  // The vector of a text, from a server that has nothing else to do.
  std::vector<float> Vector(const std::string& text) {
    const auto reply = Embed({text});
    EXPECT_TRUE(reply.ok() && reply->results[0].status.ok()) << reply.status();
    return reply.ok() ? reply->results[0].values : std::vector<float>();
  }

  FaultyRunner* faults_ = nullptr;
};

TEST_F(FaultsTest, OutOfMemoryIsTheItemsOwnAndNamedAsWhatItIs) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const std::vector<float> expected = Vector("the old house");
  for (const int32_t id : {kOutOfMemoryId, kLateFailureId}) {
    const auto reply = Embed({"the old house", With(id), "water runs"});
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->results[0].values, expected) << reply->results[0].status;
    EXPECT_TRUE(absl::IsResourceExhausted(reply->results[1].status)) << reply->results[1].status;
    EXPECT_THAT(std::string(reply->results[1].status.message()), HasSubstr("memory"));
    EXPECT_TRUE(reply->results[2].status.ok()) << reply->results[2].status;
    EXPECT_EQ(Vector("the old house"), expected);
  }
}

TEST_F(FaultsTest, AnExceptionIsTheItemsOwn) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const std::vector<float> expected = Vector("the old house");
  const auto reply = Embed({With(kThrowId), "the old house"});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_TRUE(absl::IsInternal(reply->results[0].status)) << reply->results[0].status;
  EXPECT_EQ(reply->results[1].values, expected) << reply->results[1].status;
  EXPECT_EQ(Vector("the old house"), expected);
}

TEST_F(FaultsTest, AStuckWorkerHoldsUpNobodyElse) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  const std::vector<float> expected = Vector("the old house");
  auto stuck = std::async(std::launch::async, [&] { return Embed({With(kStuckId)}, milliseconds(1500)).status(); });
  ASSERT_TRUE(faults_->WaitStuck(1, kLongEnough));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Vector("the old house"), expected);
  // Its caller is not stuck with it, and the worker that could help does not spin for ever.
  const std::clock_t cpu = std::clock();
  const auto start = steady_clock::now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(stuck.get()));
  const std::chrono::duration<double> waited = steady_clock::now() - start;
  EXPECT_LT(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC, 0.1 + waited.count() / 4);
  const auto health = client_->Health("");
  ASSERT_TRUE(health.ok()) << health.status();
  faults_->Release();
  EXPECT_EQ(Vector("the old house"), expected);
}

TEST_F(FaultsTest, WithEveryWorkerStuckCallersGetTheirDeadlines) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  std::vector<std::future<absl::Status>> stuck;
  for (int i = 1; i <= 2; ++i) {
    stuck.push_back(
        std::async(std::launch::async, [&] { return Embed({With(kStuckId)}, milliseconds(500)).status(); }));
    ASSERT_TRUE(faults_->WaitStuck(i, kLongEnough));
  }
  const auto start = steady_clock::now();
  EXPECT_TRUE(absl::IsDeadlineExceeded(Embed({"the old house"}, milliseconds(200)).status()));
  EXPECT_LT(steady_clock::now() - start, kLongEnough);
  for (auto& call : stuck) EXPECT_TRUE(absl::IsDeadlineExceeded(call.get()));
  EXPECT_TRUE(client_->ListModels().ok());  // whatever needs no worker goes on
  faults_->Release();
  EXPECT_FALSE(Vector("the old house").empty());
}

TEST_F(FaultsTest, ASlowWorkerSlowsItsOwnCallOnly) {
  ASSERT_NO_FATAL_FAILURE(StartServer());
  Vector("the old house");
  auto slow = std::async(std::launch::async, [&] { return Embed({With(kSlowId)}).status(); });
  int served = 0;
  while (slow.wait_for(milliseconds(0)) != std::future_status::ready) served += Vector("water runs").empty() ? 0 : 1;
  EXPECT_TRUE(slow.get().ok());
  EXPECT_GE(served, 2);  // were they waiting for it, one would be served when it is over
}

TEST_F(FaultsTest, ADrainDoesNotWaitForAStuckWorkerForEver) {
  config_.drain_timeout = milliseconds(200);
  ASSERT_NO_FATAL_FAILURE(StartServer());
  auto stuck = std::async(std::launch::async, [&] { return Embed({With(kStuckId)}).status(); });
  ASSERT_TRUE(faults_->WaitStuck(1, kLongEnough));
  const auto release = std::async(std::launch::async, [&] {
    const absl::Status status = stuck.get();  // before the worker is free again
    faults_->Release();
    EXPECT_FALSE(status.ok());
  });
  server_->Drain();
}

}  // namespace
}  // namespace attendant
