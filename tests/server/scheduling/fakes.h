// An engine that runs when the test says so, a clock that moves when the test says so, and a book of what came back.
// Thread-safety: all of it may be used from any thread. Every wait is bounded and fails the test when it ends.
#ifndef ATTENDANT_TESTS_SERVER_SCHEDULING_FAKES_H_
#define ATTENDANT_TESTS_SERVER_SCHEDULING_FAKES_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/scheduling/scheduler.h"

namespace attendant {

inline constexpr std::chrono::seconds kPatient{30};  // how long a test waits before it gives up

inline TokenSequence MakeSequence(int32_t id, int32_t tokens) {
  TokenSequence sequence;
  sequence.input_ids.assign(static_cast<size_t>(tokens), id);
  sequence.token_type_ids.assign(static_cast<size_t>(tokens), 0);
  return sequence;
}

// A runtime that only a queue sees: a token takes 100 us, nothing ever runs.
inline std::shared_ptr<ModelRuntime> MakeRuntime(const ModelQuota& quota = {});

// An item that only a queue sees: nothing is wanted of it.
inline WorkItem MakeItem(int32_t id, int32_t tokens) {
  WorkItem item;
  item.sequence = MakeSequence(id, tokens);
  return item;
}

class FakeClock {
 public:
  SteadyTime Now() const { return SteadyTime(Microseconds(micros_.load())); }
  void Advance(Microseconds by) { micros_ += by.count(); }
  SchedulerClock Function() {
    return [this] { return Now(); };
  }

 private:
  std::atomic<int64_t> micros_{1'000'000'000};
};

// Runs wait at a gate, once before the first layer; then every task is asked whether it is still wanted. A task's
// embedding is its first token id. Open by default.
class FakeBatchRunner final : public BatchRunner {
 public:
  using Batch = std::vector<int32_t>;  // first token ids

  std::unique_ptr<Session> NewSession() override { return std::make_unique<FakeSession>(this); }

  // One that runs here, for any number of workers. The runner outlives it.
  std::shared_ptr<ModelRuntime> NewRuntime() {
    class Forward final : public BatchRunner {
     public:
      explicit Forward(FakeBatchRunner* runner) : runner_(runner) {}
      std::unique_ptr<Session> NewSession() override { return runner_->NewSession(); }

     private:
      FakeBatchRunner* runner_;
    };
    return std::make_shared<ModelRuntime>(std::make_unique<Forward>(this), 16, 6);
  }

  void CloseGate() { SetGate(0); }
  void OpenGate() { SetGate(kUnlimited); }
  void LetPass(int64_t runs) {
    std::lock_guard lock(mutex_);
    passes_ += runs;
    changed_.notify_all();
  }

  // Called within Run, between the gate and the first question.
  void SetHook(std::function<void(std::span<const SequenceTask>)> hook) {
    std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }

  void WaitStarted(size_t runs) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatient, [&] { return started_.size() >= runs; }))
        << "started " << started_.size() << " of " << runs;
  }

  std::vector<Batch> started() const {
    std::lock_guard lock(mutex_);
    return started_;
  }

 private:
  static constexpr int64_t kUnlimited = int64_t{1} << 60;

  class FakeSession final : public Session {
   public:
    explicit FakeSession(FakeBatchRunner* runner) : runner_(runner) {}
    void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned, Team*) override {
      runner_->Run(tasks, abandoned);
    }

   private:
    FakeBatchRunner* runner_;
  };

  void SetGate(int64_t passes) {
    std::lock_guard lock(mutex_);
    passes_ = passes;
    changed_.notify_all();
  }

  void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate& abandoned) {
    std::function<void(std::span<const SequenceTask>)> hook;
    {
      std::unique_lock lock(mutex_);
      Batch batch;
      for (const SequenceTask& task : tasks) batch.push_back(task.sequence->input_ids.at(0));
      started_.push_back(std::move(batch));
      changed_.notify_all();
      changed_.wait(lock, [&] { return passes_ > 0; });
      --passes_;
      hook = hook_;
    }
    if (hook) hook(tasks);
    for (size_t i = 0; i < tasks.size(); ++i) {
      tasks[i].result->abandoned = abandoned(i);
      if (!tasks[i].result->abandoned) {
        tasks[i].result->embedding = {static_cast<float>(tasks[i].sequence->input_ids[0])};
      }
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int64_t passes_ = kUnlimited;
  std::vector<Batch> started_;
  std::function<void(std::span<const SequenceTask>)> hook_;
};

inline std::shared_ptr<ModelRuntime> MakeRuntime(const ModelQuota& quota) {
  // A batch of a token takes this long; so each takes 100 us, and nothing else costs.
  class Steady final : public BatchRunner {
   public:
    class Run100 final : public Session {
     public:
      explicit Run100(FakeClock* clock) : clock_(clock) {}
      void Run(std::span<const SequenceTask> tasks, const AbandonedPredicate&, Team*) override {
        for (const SequenceTask& task : tasks) clock_->Advance(Microseconds(100 * task.sequence->num_tokens()));
      }

     private:
      FakeClock* clock_;
    };
    explicit Steady(FakeClock* clock) : clock_(clock) {}
    std::unique_ptr<Session> NewSession() override { return std::make_unique<Run100>(clock_); }

   private:
    FakeClock* clock_;
  };
  FakeClock clock;
  auto runtime = std::make_shared<ModelRuntime>(std::make_unique<Steady>(&clock), 1, 6, quota);
  runtime->Calibrate(512, clock.Function());
  return runtime;
}

// Every `done` by item id. Its calls are for the given runtime.
class ResultBook {
 public:
  explicit ResultBook(std::shared_ptr<ModelRuntime> runtime) : runtime_(std::move(runtime)) {}

  WorkItem Item(int32_t id, int32_t tokens) {
    WorkItem item;
    item.sequence = MakeSequence(id, tokens);
    item.embed = EmbedSpec{};
    item.done = [this, id](WorkResult result) { Record(id, std::move(result)); };
    return item;
  }

  // Items first_id, first_id + 1, ... of the same length.
  WorkCall Call(int32_t first_id, int32_t count, int32_t tokens) {
    WorkCall call;
    call.runtime = runtime_;
    for (int32_t i = 0; i < count; ++i) call.items.push_back(Item(first_id + i, tokens));
    return call;
  }

  void WaitFor(size_t results) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, kPatient, [&] { return total_ >= results; }))
        << total_ << " of " << results << " results";
  }

  WorkResult Get(int32_t id) const {
    std::lock_guard lock(mutex_);
    const auto found = results_.find(id);
    EXPECT_NE(found, results_.end()) << "no result for item " << id;
    if (found == results_.end()) return {absl::InternalError("no result"), {}, {}};
    EXPECT_EQ(found->second.size(), 1u) << "item " << id << " completed more than once";
    return found->second.front();
  }

  absl::StatusCode Code(int32_t id) const { return Get(id).status.code(); }

  size_t total() const {
    std::lock_guard lock(mutex_);
    return total_;
  }

 private:
  void Record(int32_t id, WorkResult result) {
    std::lock_guard lock(mutex_);
    results_[id].push_back(std::move(result));
    ++total_;
    changed_.notify_all();
  }

  const std::shared_ptr<ModelRuntime> runtime_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int32_t, std::vector<WorkResult>> results_;
  size_t total_ = 0;
};

class CountingObserver final : public SchedulerObserver {
 public:
  void OnBatch(const BatchReport& batch) override {
    std::lock_guard lock(mutex_);
    ++batches_;
    items_ += batch.items;
    tokens_ += batch.tokens;
  }
  void OnDropped(const DropReport& drop) override {
    std::lock_guard lock(mutex_);
    auto& [dropped_items, dropped_tokens] = dropped_[{drop.reason, drop.stage}];
    dropped_items += drop.items;
    dropped_tokens += drop.tokens;
    saved_us_ += drop.saved_us;
  }
  void OnRefused(Refusal reason, ServiceClass service_class) override {
    std::lock_guard lock(mutex_);
    ++refused_[{reason, service_class}];
  }

  int batches() const { return Locked(batches_); }
  int64_t items() const { return Locked(items_); }
  int64_t tokens() const { return Locked(tokens_); }
  double saved_us() const { return Locked(saved_us_); }
  int Refused(Refusal reason, ServiceClass service_class = ServiceClass::kInteractive) const {
    std::lock_guard lock(mutex_);
    const auto found = refused_.find({reason, service_class});
    return found == refused_.end() ? 0 : found->second;
  }
  // Items and tokens.
  std::pair<int64_t, int64_t> Dropped(absl::StatusCode reason, DropStage stage) const {
    std::lock_guard lock(mutex_);
    const auto found = dropped_.find({reason, stage});
    return found == dropped_.end() ? std::pair<int64_t, int64_t>() : found->second;
  }

 private:
  template <typename T>
  T Locked(const T& value) const {
    std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  int batches_ = 0;
  int64_t items_ = 0;
  int64_t tokens_ = 0;
  double saved_us_ = 0;
  std::map<std::pair<Refusal, ServiceClass>, int> refused_;
  std::map<std::pair<absl::StatusCode, DropStage>, std::pair<int64_t, int64_t>> dropped_;
};

}  // namespace attendant

#endif  // ATTENDANT_TESTS_SERVER_SCHEDULING_FAKES_H_
