// A server in this process on a free port, on a tiny real model, whose engine runs when the test says so; and a client.
// Thread-safety: GatedRunner's members may be called from any thread; every wait is bounded.
#ifndef ATTENDANT_TESTS_INTEGRATION_IN_PROCESS_H_
#define ATTENDANT_TESTS_INTEGRATION_IN_PROCESS_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "client/lib/client.h"
#include "gtest/gtest.h"
#include "server/models/embedder_model.h"
#include "server/observability/logging.h"
#include "server/server.h"
#include "tests/integration/raw_calls.h"
#include "tests/integration/server_process.h"

namespace attendant {

// The real engine behind a gate. Open by default.
class GatedRunner final : public BatchRunner {
 public:
  explicit GatedRunner(const Embedder* embedder) : real_(embedder) {}

  std::unique_ptr<Session> NewSession() override { return std::make_unique<GatedSession>(this, real_.NewSession()); }

  void CloseGate() { SetGate(false); }
  void OpenGate() { SetGate(true); }

  void WaitArrived(int items) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kLongEnough, [&] { return arrived_ >= items; })) << arrived_ << " arrived";
  }
  void WaitFinished(int items) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kLongEnough, [&] { return finished_ >= items; })) << finished_ << " finished";
  }
  int arrived() const { return Locked(arrived_); }
  int finished() const { return Locked(finished_); }    // abandoned ones included
  int abandoned() const { return Locked(abandoned_); }  // between layers

 private:
  class GatedSession final : public Session {
   public:
    GatedSession(GatedRunner* gate, std::unique_ptr<Session> real) : gate_(gate), real_(std::move(real)) {}
    void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned, Team* team) override {
      gate_->Enter(static_cast<int>(tasks.size()));
      real_->Run(tasks, abandoned, team);
      int dropped = 0;
      for (const SequenceTask& task : tasks) dropped += task.result->abandoned ? 1 : 0;
      gate_->Leave(static_cast<int>(tasks.size()), dropped);
    }

   private:
    GatedRunner* gate_;
    std::unique_ptr<Session> real_;
  };

  void SetGate(bool open) {
    std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  void Enter(int items) {
    std::unique_lock lock(mutex_);
    arrived_ += items;
    changed_.notify_all();
    changed_.wait_for(lock, kLongEnough, [&] { return open_; });
  }
  void Leave(int items, int dropped) {
    std::lock_guard lock(mutex_);
    finished_ += items;
    abandoned_ += dropped;
    changed_.notify_all();
  }
  int Locked(const int& value) const {
    std::lock_guard lock(mutex_);
    return value;
  }

  EmbedderRunner real_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int arrived_ = 0;
  int finished_ = 0;
  int abandoned_ = 0;
};

class InProcessTest : public testing::Test {
 protected:
  InProcessTest() {
    config_.grpc_address = "127.0.0.1:0";
    config_.metrics_address.clear();
    config_.threads = 1;
    config_.sharing.join_identical = false;  // the queue is filled with the same few texts
    config_.drain_timeout = std::chrono::seconds(20);
    config_.models.specs = {{.name = "tiny-mean", .directory = TestModel("tiny-mean")}};
    // main reads the level from the config; here the tests are main.
    ConfigureLogging(LogFormat::kText, LogLevel::kError);
  }
  ~InProcessTest() override {
    if (gate_ != nullptr) gate_->OpenGate();
  }

  void StartServer() {
    auto embedder = Embedder::Load({.model_dir = config_.models.specs[0].directory});
    ASSERT_TRUE(embedder.ok()) << embedder.status();
    embedder_ = *std::move(embedder);
    ServerParts parts;
    parts.model = std::make_unique<EmbedderModel>(embedder_.get(), "");
    auto gate = std::make_unique<GatedRunner>(embedder_.get());
    gate_ = gate.get();
    parts.runner = decorate_(std::move(gate));
    auto server = Server::Start(config_, std::move(parts));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = NewClient();
  }

  std::unique_ptr<client::Client> NewClient(int max_attempts = 1) const {
    client::ClientOptions options;
    options.target = "127.0.0.1:" + std::to_string(port());
    options.retry.max_attempts = max_attempts;
    auto made = client::Client::Create(options);
    EXPECT_TRUE(made.ok()) << made.status();
    return *std::move(made);
  }

  int port() const { return server_->grpc_port(); }

  // An Embed that has been sent and waits for its answer.
  std::unique_ptr<RawCall> StartEmbed(const std::vector<std::string>& texts,
                                      std::chrono::milliseconds timeout = kLongEnough) const {
    auto call = std::make_unique<RawCall>(port(), "Embed", timeout);
    EXPECT_TRUE(call->Send(EmbedMessage(texts)));
    call->CloseSending();
    return call;
  }

  ServerConfig config_;
  // Put around the engine: faults.
  std::function<std::unique_ptr<BatchRunner>(std::unique_ptr<BatchRunner>)> decorate_ = [](auto real) { return real; };
  std::unique_ptr<Embedder> embedder_;
  GatedRunner* gate_ = nullptr;
  std::unique_ptr<Server> server_;
  std::unique_ptr<client::Client> client_;
};

}  // namespace attendant

#endif  // ATTENDANT_TESTS_INTEGRATION_IN_PROCESS_H_
