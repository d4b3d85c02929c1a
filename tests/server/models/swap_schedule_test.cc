// Models swapped while workers run them: scheduler, registry and manager together, without a transport, so that a race
// detector sees all of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <thread>

#include "server/models/model_manager.h"
#include "server/observability/logging.h"
#include "server/scheduling/scheduler.h"
#include "tests/server/models/fake_loader.h"

namespace attendant {
namespace {

constexpr int kWorkers = 2;

std::vector<float> VectorOf(int version) {
  const auto angle = static_cast<float>(version);
  return {std::cos(angle), std::sin(angle)};
}

// The model of directory "7" gives VectorOf(7) for everything; that of "bad" cannot be loaded.
class VersionLoader final : public ModelLoader {
 public:
  absl::StatusOr<int64_t> EstimateBytes(const ModelSpec&) const override { return 1; }
  absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const ModelSpec& spec, int) const override {
    if (spec.directory == "bad") return absl::InvalidArgumentError("it is bad");
    const int version = std::stoi(spec.directory);
    auto model = testing::NewLetterModel(spec, spec.directory);
    auto runner = std::make_unique<testing::AngleRunner>([version](std::span<const SequenceTask> tasks) {
      for (const SequenceTask& task : tasks) task.result->embedding = VectorOf(version);
    });
    model->runtime = std::make_unique<ModelRuntime>(std::move(runner), kWorkers, 1, spec.quota);
    return model;
  }
};

class SwapScheduleTest : public ::testing::Test {
 protected:
  SwapScheduleTest() {
    ConfigureLogging(LogFormat::kText, LogLevel::kOff);
    EXPECT_TRUE(manager_.LoadAll({{.name = "m", .directory = "0"}}, 1).ok());
    SchedulerOptions options;
    options.num_workers = kWorkers;
    scheduler_ = std::make_unique<Scheduler>(options, nullptr);
  }
  ~SwapScheduleTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  // Calls of three items each until stopped, some of which are under way at any time.
  void CallUntilStopped() {
    while (!stop_) {
      const ModelRef model = registry_.Find("m");
      const int version = std::stoi(model->info().fingerprint);
      WorkCall call;
      call.runtime = RuntimeOf(model);
      call.flow = "test";
      for (int i = 0; i < 3; ++i) {
        WorkItem item;
        item.sequence.input_ids = {i, version};
        item.sequence.token_type_ids = {0, 0};
        item.embed = EmbedSpec{};
        item.done = [this, version](WorkResult result) { Check(version, result); };
        call.items.push_back(std::move(item));
      }
      if (scheduler_->Submit(std::move(call)).status.ok()) submitted_ += 3;
    }
  }

  void Check(int version, const WorkResult& result) {
    const bool right = result.status.ok() && result.output.embedding == VectorOf(version);
    (right ? right_ : wrong_) += 1;
  }

  void WaitForProgress() {
    const int64_t then = right_;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (right_ < then + 30 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_GE(right_, then + 30);
  }

  const VersionLoader loader_;
  ModelRegistry registry_;
  ModelManager manager_{&loader_, &registry_, {.memory = {}, .used_bytes = {}}};
  std::unique_ptr<Scheduler> scheduler_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> submitted_{0}, right_{0}, wrong_{0};
};

TEST_F(SwapScheduleTest, EveryCallEndsWithTheModelItBeganWith) {
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) callers.emplace_back([this] { CallUntilStopped(); });
  for (int version = 1; version <= 40; ++version) {
    const bool bad = version % 8 == 0;
    const auto swapped =
        manager_.Swap({.name = "m", .directory = bad ? "bad" : std::to_string(version), .precision = ""});
    EXPECT_EQ(swapped.ok(), !bad) << swapped.status();
    if (version % 5 == 0) WaitForProgress();
  }
  stop_ = true;
  for (std::thread& caller : callers) caller.join();
  ASSERT_TRUE(scheduler_->WaitIdle(std::chrono::steady_clock::now() + std::chrono::seconds(30)));
  EXPECT_EQ(right_, submitted_);
  EXPECT_EQ(wrong_, 0);
  // All old ones are gone: no call holds them any more.
  EXPECT_EQ(registry_.List().size(), 1u);
}

}  // namespace
}  // namespace attendant
