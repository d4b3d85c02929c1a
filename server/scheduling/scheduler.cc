// The mechanism: one mutex over admission and queue, worker threads that take micro-batches whenever they are free.
// Everything that is a decision is in Admission and WorkQueue.
#include "server/scheduling/scheduler.h"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "server/scheduling/admission.h"
#include "server/scheduling/batch_executor.h"
#include "server/scheduling/work_queue.h"
#include "server/scheduling/worker_team.h"

namespace attendant {
namespace {

// A full queue is searched for abandoned work at most this often: refusals must stay cheap in a storm.
constexpr Microseconds kSweepInterval{10'000};

}  // namespace

class Scheduler::Impl {
 public:
  Impl(const SchedulerOptions& options, SchedulerObserver* observer);

  AdmissionResult Submit(WorkCall call);
  AdmissionResult CheckStream();
  void Drain();
  bool WaitIdle(SteadyTime until);
  void Shutdown();
  SchedulerStats stats() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void WorkerMain(int worker, WorkerTeam* team);
  // What the queue has to say about a call, under the lock.
  Admission::Load LoadFor(const WorkCall& call, const WorkQueue::Cost& cost, SteadyTime now) const;
  // Returns with a batch (its dropped items count) or, on shutdown, with false. The worker's team is open from here
  // until the batch has run: workers that are or become idle join it.
  bool NextBatch(MicroBatch* batch, WorkerTeam* team);
  void WaitForWork(Lock& lock);
  // Shares another worker's batch, when one wants it. Called with the lock, which it gives up meanwhile; false: nobody.
  bool HelpSomeone(Lock& lock);
  // Whenever the queue changes: helpers leave their teams while there is work of their own.
  void NoteQueueChange() { work_waits_.store(!queue_.empty() || stopping_, std::memory_order_relaxed); }
  // Makes room in a full queue. The items are running until FinishItems.
  void SweepStale(SteadyTime now, std::vector<DroppedItem>* dropped);
  void FinishItems(size_t count);
  void StopWorkers();

  const SchedulerOptions options_;
  SchedulerObserver* const observer_;

  mutable std::mutex mutex_;
  std::condition_variable work_available_;
  std::condition_variable idle_;
  // Below: guarded by mutex_.
  Admission admission_;
  WorkQueue queue_;
  int idle_workers_ = 0;
  int64_t running_items_ = 0;  // taken from the queue, `done` not yet returned
  double running_us_ = 0;      // predicted for the batches that are being computed
  int64_t batches_ = 0;
  bool stopping_ = false;
  std::atomic<bool> work_waits_{false};  // written under the lock, read by helpers without it
  std::vector<std::unique_ptr<WorkerTeam>> teams_;
  SteadyTime next_sweep_ = SteadyTime::min();

  std::once_flag stopped_;
  std::vector<std::thread> workers_;  // last: they use all of the above
};

Scheduler::Impl::Impl(const SchedulerOptions& options, SchedulerObserver* observer)
    : options_(options), observer_(observer), admission_(options), queue_(options) {
  const int count = std::max(1, options.num_workers);
  for (int i = 0; i < count; ++i) teams_.push_back(std::make_unique<WorkerTeam>());
  for (int i = 0; i < count; ++i) {
    WorkerTeam* team = teams_[static_cast<size_t>(i)].get();
    workers_.emplace_back([this, i, team] { WorkerMain(i, team); });
    pthread_setname_np(workers_.back().native_handle(), ("worker-" + std::to_string(i % 10000)).c_str());
  }
}

AdmissionResult Scheduler::Impl::Submit(WorkCall call) {
  if (call.items.empty()) return {};
  Admission::Call summary{
      .items = static_cast<int64_t>(call.items.size()), .deadline = call.deadline, .service_class = call.service_class};
  for (const WorkItem& item : call.items) summary.tokens += item.sequence.num_tokens();
  std::vector<DroppedItem> dropped;
  AdmissionResult result;
  int64_t to_wake = 0;
  const SteadyTime now = options_.clock();
  {
    Lock lock(mutex_);
    const WorkQueue::Cost cost = queue_.CostOf(call);
    summary.cost_us = cost.total_us;
    summary.longest_us = cost.longest_us;
    summary.batch_us = cost.batch_us;
    result = admission_.Check(summary, LoadFor(call, cost, now), now);
    const bool momentary = absl::IsResourceExhausted(result.status) && result.retry_after.count() > 0;
    if (momentary && now >= next_sweep_) {
      next_sweep_ = now + kSweepInterval;
      SweepStale(now, &dropped);
      result = admission_.Check(summary, LoadFor(call, cost, now), now);
    }
    if (result.status.ok()) {
      const ModelRuntime& runtime = *call.runtime;  // the queue keeps it alive from here on
      queue_.Push(std::move(call), cost.total_us, now);
      NoteQueueChange();
      to_wake = std::min<int64_t>(queue_.UsefulWorkers(runtime), idle_workers_);
    }
  }
  // Not under the lock, which a woken worker needs at once.
  for (int64_t i = 0; i < to_wake; ++i) work_available_.notify_one();
  if (!dropped.empty()) {
    const size_t count = dropped.size();
    CompleteDropped(&dropped, now, observer_);
    FinishItems(count);
  }
  if (observer_ != nullptr && !result.status.ok()) observer_->OnRefused(result.reason, summary.service_class);
  return result;
}

Admission::Load Scheduler::Impl::LoadFor(const WorkCall& call, const WorkQueue::Cost& cost, SteadyTime now) const {
  const ClassQueue::Forecast forecast = queue_.Predict(call, cost, now);
  return {.items = queue_.items(),
          .tokens = queue_.tokens(),
          .model_tokens = queue_.TokensOf(call.runtime.get()),
          .max_model_tokens = call.runtime->quota().max_queued_tokens,
          .ahead_us = forecast.ahead_us,
          .delays_others = forecast.delays_others,
          .running_us = running_us_,
          .idle_workers = idle_workers_};
}

AdmissionResult Scheduler::Impl::CheckStream() {
  AdmissionResult result;
  {
    Lock lock(mutex_);
    result = admission_.CheckStream({.items = queue_.items(), .tokens = queue_.tokens()});
  }
  if (observer_ != nullptr && !result.status.ok()) observer_->OnRefused(result.reason, ServiceClass::kBulk);
  return result;
}

void Scheduler::Impl::SweepStale(SteadyTime now, std::vector<DroppedItem>* dropped) {
  queue_.DropStale(now, dropped);
  NoteQueueChange();
  running_items_ += static_cast<int64_t>(dropped->size());
}

void Scheduler::Impl::WorkerMain(int worker, WorkerTeam* team) {
  BatchExecutor executor(worker, options_.clock, observer_);
  MicroBatch batch;
  while (NextBatch(&batch, team)) {
    const size_t count = batch.items.size() + batch.dropped.size();
    CompleteDropped(&batch.dropped, options_.clock(), observer_);
    if (!batch.items.empty()) {
      const Microseconds compute = executor.Run(&batch, team);
      {
        Lock lock(mutex_);
        team->Close();
        admission_.RecordBatch(batch.tokens, compute);
        // The prediction is for one worker.
        if (!team->was_shared()) {
          admission_.RecordPrediction(batch.predicted_us, compute);
          batch.runtime->correction().Record(batch.cost_us, compute);
        }
        running_us_ = std::max(0.0, running_us_ - batch.predicted_us);
        ++batches_;
        admission_.NoteLoad({.items = queue_.items(), .tokens = queue_.tokens()});
      }
      executor.Complete(&batch);
    }
    batch.Clear();
    FinishItems(count);
  }
}

bool Scheduler::Impl::NextBatch(MicroBatch* batch, WorkerTeam* team) {
  bool work_left = false;
  int helpers = 0;
  {
    Lock lock(mutex_);
    ++idle_workers_;
    WaitForWork(lock);
    if (stopping_) return false;
    queue_.TakeBatch(options_.clock(), idle_workers_, batch);
    NoteQueueChange();
    running_items_ += static_cast<int64_t>(batch->items.size() + batch->dropped.size());
    running_us_ += batch->predicted_us;
    --idle_workers_;
    work_left = !queue_.empty() && idle_workers_ > 0;
    if (!batch->items.empty()) {
      team->Open();
      if (queue_.empty()) helpers = std::min(idle_workers_, kMaxTeamMembers - 1);
    }
  }
  for (int i = 0; i < helpers; ++i) work_available_.notify_one();
  // Whoever leaves work behind passes the call on: no wake-up is lost however few were woken at first.
  if (work_left) work_available_.notify_one();
  return true;
}

void Scheduler::Impl::WaitForWork(Lock& lock) {
  while (!stopping_) {
    if (queue_.empty()) {
      if (!HelpSomeone(lock)) work_available_.wait(lock);
      continue;
    }
    const SteadyTime ready = admission_.draining() ? SteadyTime::min() : queue_.ReadyTime();
    const SteadyTime now = options_.clock();
    if (ready <= now) return;
    work_available_.wait_for(lock, ready - now);
  }
}

bool Scheduler::Impl::HelpSomeone(Lock& lock) {
  for (const std::unique_ptr<WorkerTeam>& team : teams_) {
    const std::optional<int> member = team->Join();
    if (!member) continue;
    lock.unlock();
    team->Help(*member, work_waits_);
    lock.lock();
    team->Leave(*member);
    return true;
  }
  return false;
}

void Scheduler::Impl::FinishItems(size_t count) {
  Lock lock(mutex_);
  running_items_ -= static_cast<int64_t>(count);
  if (running_items_ == 0 && queue_.empty()) idle_.notify_all();
}

void Scheduler::Impl::Drain() {
  Lock lock(mutex_);
  admission_.StartDraining();
  work_available_.notify_all();  // no company will come any more
}

bool Scheduler::Impl::WaitIdle(SteadyTime until) {
  Lock lock(mutex_);
  return idle_.wait_until(lock, until, [this] { return running_items_ == 0 && queue_.empty(); });
}

void Scheduler::Impl::Shutdown() {
  std::call_once(stopped_, [this] { StopWorkers(); });
}

void Scheduler::Impl::StopWorkers() {
  std::vector<QueuedItem> unserved;
  {
    Lock lock(mutex_);
    admission_.StartDraining();
    stopping_ = true;
    queue_.TakeAll(&unserved);
    NoteQueueChange();
    running_items_ += static_cast<int64_t>(unserved.size());
    work_available_.notify_all();
  }
  std::vector<DroppedItem> dropped;
  dropped.reserve(unserved.size());
  for (QueuedItem& queued : unserved) dropped.push_back({std::move(queued), absl::StatusCode::kUnavailable});
  const size_t count = dropped.size();
  CompleteDropped(&dropped, options_.clock(), observer_);
  FinishItems(count);
  for (std::thread& worker : workers_) worker.join();
}

SchedulerStats Scheduler::Impl::stats() const {
  Lock lock(mutex_);
  SchedulerStats stats{.running_items = running_items_,
                       .idle_workers = idle_workers_,
                       .shedding = admission_.stage(),
                       .batches = batches_};
  for (const ServiceClass each : {ServiceClass::kInteractive, ServiceClass::kBulk}) {
    stats.classes[static_cast<size_t>(each)] = {queue_.of(each).items(), queue_.of(each).tokens()};
  }
  return stats;
}

Scheduler::Scheduler(const SchedulerOptions& options, SchedulerObserver* observer)
    : impl_(std::make_unique<Impl>(options, observer)) {}

Scheduler::~Scheduler() { Shutdown(); }

AdmissionResult Scheduler::Submit(WorkCall call) { return impl_->Submit(std::move(call)); }
AdmissionResult Scheduler::CheckStream() { return impl_->CheckStream(); }
void Scheduler::Drain() { impl_->Drain(); }
bool Scheduler::WaitIdle(SteadyTime until) { return impl_->WaitIdle(until); }
void Scheduler::Shutdown() { impl_->Shutdown(); }
SchedulerStats Scheduler::stats() const { return impl_->stats(); }

}  // namespace attendant
