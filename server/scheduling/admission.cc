#include "server/scheduling/admission.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr std::chrono::milliseconds kMinRetryAfter{10};
constexpr std::chrono::milliseconds kMaxRetryAfter{5000};
// Another replica can take the call at once; a restarting one needs longer, and the client's own back-off adds to this.
constexpr std::chrono::milliseconds kDrainRetryAfter{100};
// Each batch moves the average a tenth of the way: some ten batches, well under a second of work.
constexpr double kDecay = 0.9;
// Before anything was measured: one worker's fp32 speed on a small model, on the low side.
constexpr double kInitialTokensPerSecond = 2000;
// Callers that are refused together must not all come back for the few tokens that free up first.
constexpr int64_t kMinDrainedShare = 8;

// A prediction is stretched by this and by its mean error of late: a shared machine's speed changes from one moment to
// the next. It costs no throughput: a queue that is a fifth shorter is still a queue.
constexpr double kLeastMargin = 1.15;
constexpr double kMostMargin = 2.0;
constexpr double kInitialError = 0.1;

AdmissionResult Refuse(Refusal reason, absl::Status status, std::chrono::milliseconds retry_after = {}) {
  return {std::move(status), retry_after, reason};
}

AdmissionResult TooLarge(int64_t wanted, const char* unit, int64_t limit, const char* flag) {
  return Refuse(Refusal::kTooLarge,
                absl::ResourceExhaustedError(absl::StrCat("the call has ", wanted, " ", unit, ", more than the ", limit,
                                                          " that the queue can ever hold (", flag,
                                                          "); it can never be accepted: send it in smaller parts")));
}

absl::Status QueueFull(int64_t queued, int64_t wanted, const char* unit, int64_t limit, const char* flag) {
  return absl::ResourceExhaustedError(absl::StrCat("overloaded: ", queued, " of at most ", limit, " ", unit,
                                                   " are queued (", flag, ") and the call adds ", wanted,
                                                   "; try again later"));
}

absl::Status Shed(const char* what, SheddingStage stage, double fill) {
  const Shedding::Band& band = Shedding::kBands[static_cast<int>(stage) - 1];
  return absl::ResourceExhaustedError(
      absl::StrCat("overloaded: ", what, " are refused from the time that the queue is ", band.enter,
                   " % full until it is below ", band.leave, " %; now it is ", static_cast<int>(100 * fill),
                   " % full (--max-queued-tokens, --max-queued-items); try again later"));
}

int64_t Milliseconds(Microseconds time) { return std::chrono::duration_cast<std::chrono::milliseconds>(time).count(); }

}  // namespace

Admission::Admission(const SchedulerOptions& options)
    : max_items_(options.max_queued_items),
      max_tokens_(options.max_queued_tokens),
      num_workers_(std::max(1, options.num_workers)),
      recent_tokens_(kInitialTokensPerSecond / 1000),
      recent_seconds_(1.0 / 1000),
      error_(kInitialError) {}

AdmissionResult Admission::Check(const Call& call, const Load& load, SteadyTime now) {
  if (draining_) {
    return Refuse(Refusal::kDraining, absl::UnavailableError("the server is shutting down"), kDrainRetryAfter);
  }
  shedding_.Update(FillOf(load));
  AdmissionResult result = CheckBudgets(call, load);
  if (result.status.ok()) result = CheckDeadline(call, load, now);
  return result;
}

AdmissionResult Admission::CheckBudgets(const Call& call, const Load& load) const {
  if (call.items > max_items_) return TooLarge(call.items, "items", max_items_, "--max-queued-items");
  if (call.tokens > max_tokens_) return TooLarge(call.tokens, "tokens", max_tokens_, "--max-queued-tokens");
  if (call.tokens > load.max_model_tokens) {
    return TooLarge(call.tokens, "tokens", load.max_model_tokens, "the model's max-queued-tokens");
  }
  const bool all = shedding_.stage() == SheddingStage::kAll;
  const double items_fill = static_cast<double>(load.items) / static_cast<double>(max_items_);
  const double tokens_fill = static_cast<double>(load.tokens) / static_cast<double>(max_tokens_);
  if (load.tokens + call.tokens > max_tokens_ || (all && tokens_fill >= items_fill)) {
    return Refuse(Refusal::kQueueFull,
                  QueueFull(load.tokens, call.tokens, "tokens", max_tokens_, "--max-queued-tokens"),
                  RetryAfter(call, load));
  }
  if (load.items + call.items > max_items_ || all) {
    return Refuse(Refusal::kQueueFull, QueueFull(load.items, call.items, "items", max_items_, "--max-queued-items"),
                  RetryAfter(call, load));
  }
  if (load.model_tokens + call.tokens > load.max_model_tokens) {
    return Refuse(Refusal::kQueueFull,
                  QueueFull(load.model_tokens, call.tokens, "tokens for this model", load.max_model_tokens,
                            "the model's max-queued-tokens"),
                  RetryAfter(call, load));
  }
  if (call.service_class == ServiceClass::kBulk && shedding_.stage() >= SheddingStage::kBulk) {
    return Refuse(Refusal::kShed, Shed("bulk calls", SheddingStage::kBulk, FillOf(load)), RetryAfter(call, load));
  }
  return {};
}

AdmissionResult Admission::CheckDeadline(const Call& call, const Load& load, SteadyTime now) const {
  if (call.deadline == SteadyTime::max()) return {};
  if (call.deadline <= now) {
    return Refuse(Refusal::kExpired, absl::DeadlineExceededError("the deadline was over before the call was queued"));
  }
  // Whatever the prediction says, an idle server tries: a wrong prediction is corrected by work only.
  if (load.ahead_us <= 0 && load.idle_workers > 0) return {};
  const Microseconds needed = PredictFinish(call, load);
  const Microseconds left = std::chrono::duration_cast<Microseconds>(call.deadline - now);
  if (needed <= left && !load.delays_others) return {};
  const auto retry_after =
      std::clamp(std::chrono::milliseconds(Milliseconds(needed - left)), kMinRetryAfter, kMaxRetryAfter);
  const std::string why = needed > left
                              ? absl::StrCat("the call would take ", Milliseconds(needed),
                                             " ms, queue included, and its deadline is in ", Milliseconds(left), " ms")
                              : std::string("calls that were accepted would miss their deadlines for this one");
  return Refuse(Refusal::kDeadline,
                absl::ResourceExhaustedError(absl::StrCat("overloaded: ", why, "; try again later")), retry_after);
}

Microseconds Admission::PredictFinish(const Call& call, const Load& load) const {
  // A running batch is half done, on average.
  const double before_us = (load.ahead_us + load.running_us / 2) / num_workers_;
  double own_us =
      std::max(call.longest_us, call.cost_us / static_cast<double>(std::clamp<int64_t>(call.items, 1, num_workers_)));
  // An item is done when its whole batch is, which is as large as the queue allows.
  own_us = std::max(own_us, std::min(call.batch_us, before_us));
  return Microseconds(static_cast<int64_t>(margin() * (before_us + own_us)));
}

AdmissionResult Admission::CheckStream(const Load& load) {
  if (draining_) {
    return Refuse(Refusal::kDraining, absl::UnavailableError("the server is shutting down"), kDrainRetryAfter);
  }
  shedding_.Update(FillOf(load));
  if (shedding_.stage() < SheddingStage::kStreams) return {};
  return Refuse(Refusal::kShed, Shed("new streams", SheddingStage::kStreams, FillOf(load)), RetryAfter({}, load));
}

double Admission::FillOf(const Load& load) const {
  return std::max(static_cast<double>(load.items) / static_cast<double>(max_items_),
                  static_cast<double>(load.tokens) / static_cast<double>(max_tokens_));
}

void Admission::RecordBatch(int64_t tokens, Microseconds compute) {
  const double seconds = std::chrono::duration<double>(compute).count();
  if (tokens <= 0 || seconds <= 0) return;
  // Sums, not rates, decay: a large batch says more about the speed than a small one.
  recent_tokens_ = kDecay * recent_tokens_ + static_cast<double>(tokens);
  recent_seconds_ = kDecay * recent_seconds_ + seconds;
}

double Admission::tokens_per_second() const { return num_workers_ * recent_tokens_ / recent_seconds_; }

void Admission::RecordPrediction(double predicted_us, Microseconds actual) {
  if (predicted_us <= 0) return;
  const double error = std::abs(static_cast<double>(actual.count()) / predicted_us - 1);
  error_ = kDecay * error_ + (1 - kDecay) * std::min(error, kMostMargin);
}

double Admission::margin() const { return std::min(kLeastMargin + error_, kMostMargin); }

std::chrono::milliseconds Admission::RetryAfter(const Call& call, const Load& load) const {
  const int64_t excess_tokens =
      std::max(load.tokens + call.tokens - max_tokens_, load.model_tokens + call.tokens - load.max_model_tokens);
  const int64_t excess_items = load.items + call.items - max_items_;
  const int64_t tokens_per_item = load.items > 0 ? load.tokens / load.items : 0;
  const int64_t to_drain =
      std::max({excess_tokens, excess_items * tokens_per_item, load.tokens / kMinDrainedShare, int64_t{0}});
  const double ms = 1000.0 * static_cast<double>(to_drain) / tokens_per_second();
  if (ms >= static_cast<double>(kMaxRetryAfter.count())) return kMaxRetryAfter;
  return std::max(kMinRetryAfter, std::chrono::milliseconds(static_cast<int64_t>(ms)));
}

}  // namespace attendant
