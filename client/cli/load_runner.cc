#include "client/cli/load_runner.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace attendant::cli {
namespace {

using client::SteadyTime;
using client::StreamEvent;

// The stream's side of a run: what is in flight, and what to do next.
class StreamRun {
 public:
  StreamRun(const LoadPlan& plan, const Workload& workload, client::Clock& clock, const StreamLoad& load)
      : plan_(plan), workload_(workload), clock_(clock), load_(load), schedule_(plan, clock.Now()) {}

  LoadOutcome Run() {
    last_answer_ = clock_.Now();
    while (true) {
      FetchNext();
      if (!next_.has_value() && in_flight_.empty()) break;
      if (stream_ == nullptr) stream_ = load_.open();
      SendIfDue();
      const StreamEvent event = stream_->Next(WakeUp());
      if (event.kind == StreamEvent::Kind::kResponse) OnResponse(event);
      if (event.kind == StreamEvent::Kind::kClosed) OnClosed(event.status);
      if (!in_flight_.empty() && clock_.Now() - last_answer_ >= load_.answer_timeout) {
        OnClosed(absl::DeadlineExceededError("no answer in time"));
      }
    }
    return recorder_.Finish(schedule_);
  }

 private:
  bool HasRoom() const { return static_cast<int>(in_flight_.size()) < plan_.concurrency; }

  // In a closed loop a request begins when there is room for it; an open loop's next one is known in advance.
  void FetchNext() {
    if (next_.has_value() || over_ || (plan_.rate <= 0 && !HasRoom())) return;
    next_ = schedule_.Next(clock_.Now());
    over_ = !next_.has_value();
  }

  void SendIfDue() {
    if (!next_.has_value() || !HasRoom() || !stream_->CanSend() || next_->time > clock_.Now()) return;
    if (in_flight_.empty()) last_answer_ = clock_.Now();
    stream_->Send(std::to_string(next_->index), workload_.Request(next_->index), load_.options);
    in_flight_[std::to_string(next_->index)] = {*next_, clock_.Now()};
    next_.reset();
  }

  SteadyTime WakeUp() const {
    const SteadyTime now = clock_.Now();
    // More could be sent at once, or soon: look in without waiting, or wait only till then.
    if (!over_ && !next_.has_value() && HasRoom() && stream_->CanSend()) return now;
    SteadyTime wake_up = last_answer_ + load_.answer_timeout;
    if (in_flight_.empty()) wake_up = now + load_.answer_timeout;
    if (next_.has_value() && HasRoom() && next_->time > now) wake_up = std::min(wake_up, next_->time);
    return wake_up;
  }

  void OnResponse(const StreamEvent& event) {
    last_answer_ = clock_.Now();
    const auto found = in_flight_.find(event.id);
    if (found == in_flight_.end()) return;
    Finish(found->second, event.status.ok() ? absl::StatusOr<client::EmbedReply>(event.reply) : event.status);
    in_flight_.erase(found);
  }

  void OnClosed(const absl::Status& status) {
    const absl::Status reason = status.ok() ? absl::UnavailableError("the server ended the stream") : status;
    for (const auto& [id, request] : in_flight_) Finish(request, reason);
    // Without anything in flight the connection itself failed: the request that was to be sent has failed.
    if (in_flight_.empty() && next_.has_value()) {
      Finish({*std::exchange(next_, std::nullopt), clock_.Now()}, reason);
    }
    in_flight_.clear();
    stream_.reset();
    last_answer_ = clock_.Now();
  }

  void Finish(const SentRequest& request, const absl::StatusOr<client::EmbedReply>& reply) {
    recorder_.Record(request, clock_.Now(), reply);
  }

  const LoadPlan& plan_;
  const Workload& workload_;
  client::Clock& clock_;
  const StreamLoad& load_;
  LoadSchedule schedule_;
  LoadRecorder recorder_;
  std::unique_ptr<client::EmbedStream> stream_;
  std::map<std::string, SentRequest> in_flight_;
  std::optional<LoadSchedule::Start> next_;
  bool over_ = false;
  SteadyTime last_answer_{};
};

int64_t Microseconds(SteadyTime::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

void LoadRecorder::Record(const SentRequest& request, SteadyTime end, const absl::StatusOr<client::EmbedReply>& reply) {
  if (!request.start.counted) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  ++outcome_.requests;
  last_end_ = std::max(last_end_, end);
  if (!reply.ok()) {
    ++outcome_.failed_requests[reply.status().code()];
    if (absl::IsResourceExhausted(reply.status())) outcome_.refused_us.Record(Microseconds(end - request.sent));
    return;
  }
  outcome_.latency_us.Record(Microseconds(end - request.start.time));
  for (const client::EmbedResult& result : reply->results) {
    if (result.status.ok()) {
      ++outcome_.items;
      outcome_.tokens += result.tokens_used;
    } else {
      ++outcome_.failed_items;
      ++outcome_.item_errors[result.status.code()];
    }
  }
  if (!reply->metadata.has_value()) return;
  outcome_.tokenize_us.Record(reply->metadata->tokenize_us);
  outcome_.queue_us.Record(reply->metadata->queue_us);
  outcome_.compute_us.Record(reply->metadata->compute_us);
  outcome_.server_total_us.Record(reply->metadata->total_us);
}

LoadOutcome LoadRecorder::Finish(const LoadSchedule& schedule) {
  const std::lock_guard<std::mutex> lock(mutex_);
  outcome_.unsent = schedule.unsent();
  outcome_.seconds =
      std::chrono::duration<double>(std::max(last_end_ - schedule.counting_from(), SteadyTime::duration(0))).count();
  return outcome_;
}

LoadOutcome RunCalls(const LoadPlan& plan, const Workload& workload, client::Clock& clock, const EmbedCall& call) {
  LoadSchedule schedule(plan, clock.Now());
  LoadRecorder recorder;
  const auto work = [&] {
    while (const auto start = schedule.Next(clock.Now())) {
      if (start->time > clock.Now()) clock.SleepUntil(start->time);
      const SteadyTime sent = clock.Now();
      const auto reply = call(workload.Request(start->index));
      recorder.Record({*start, sent}, clock.Now(), reply);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < plan.concurrency; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return recorder.Finish(schedule);
}

LoadOutcome RunStream(const LoadPlan& plan, const Workload& workload, client::Clock& clock, const StreamLoad& stream) {
  return StreamRun(plan, workload, clock, stream).Run();
}

}  // namespace attendant::cli
