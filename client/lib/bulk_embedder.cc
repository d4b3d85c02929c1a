#include "client/lib/bulk_embedder.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/lib/item_check.h"

namespace attendant::client {
namespace {

// Answered batches may wait for an earlier one that is slow or refused; this many windows of them keep the server busy.
constexpr int32_t kWindowsBuffered = 4;

// A server that has answered everything ends the call at once; one that does not is cancelled.
constexpr Milliseconds kEndingTime{2000};

// Errors that say something about the request's options or the caller, hence meet every batch alike.
bool MeetsEveryBatch(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsUnimplemented(status) || absl::IsUnauthenticated(status) ||
         absl::IsPermissionDenied(status);
}

// A stream that breaks like this may work the next time: the connection, a proxy or a server that went away.
bool MayReconnect(const absl::Status& status) {
  return status.ok() || IsRetryable(status) || absl::IsCancelled(status) || absl::IsAborted(status) ||
         absl::IsInternal(status) || absl::IsUnknown(status);
}

bool ShouldBeSentAgain(const EmbedReply& reply) {
  return std::any_of(reply.results.begin(), reply.results.end(),
                     [](const EmbedResult& result) { return absl::IsUnavailable(result.status); });
}

// The caller's own wait may be without end; a time point that far away would overflow.
SteadyTime Later(SteadyTime now, std::optional<Milliseconds> wait) {
  if (!wait.has_value() || std::chrono::duration_cast<Milliseconds>(SteadyTime::max() - now) <= *wait)
    return SteadyTime::max();
  return now + *wait;
}

}  // namespace

BulkEmbedder::BulkEmbedder(BulkEnvironment environment, const BulkOptions& options, const ItemSource& source,
                           const ResultSink& sink)
    : environment_(std::move(environment)),
      options_(options),
      source_(source),
      sink_(sink),
      window_(std::max(1, options.max_in_flight) * kWindowsBuffered),
      refusal_backoff_(environment_.retry, environment_.seed),
      connect_backoff_(environment_.retry, environment_.seed + 1),
      allowed_in_flight_(std::max(1, options.max_in_flight)) {
  const SteadyTime now = environment_.clock->Now();
  deadline_ = Later(now, options_.timeout);
  last_progress_ = send_after_ = open_after_ = now;
}

absl::StatusOr<BulkSummary> BulkEmbedder::Run() {
  while (true) {
    if (absl::Status status = Deliver(); !status.ok()) return status;
    if (!fatal_.ok()) return fatal_;
    // One batch at a time, so that a slow source does not keep what was already read from being sent.
    if (!source_done_ && window_.HasRoom()) FillOneBatch();
    if (source_done_ && window_.empty()) {
      EndStream();
      return summary_;
    }
    if (absl::Status status = CheckTimeouts(); !status.ok()) return status;
    SendOne();
    WaitForEvent();
  }
}

// Ends the call in good order rather than by cancelling it, so that the server does not count it as abandoned.
void BulkEmbedder::EndStream() {
  const SteadyTime until = environment_.clock->Now() + kEndingTime;
  bool closing = false;
  while (stream_ != nullptr) {
    if (!closing && stream_->CanSend()) {
      stream_->CloseSending();
      closing = true;
    }
    const StreamEvent::Kind kind = stream_->Next(until).kind;
    if (kind == StreamEvent::Kind::kClosed || kind == StreamEvent::Kind::kTimeout) stream_.reset();
  }
}

absl::Status BulkEmbedder::Deliver() {
  while (auto batch = window_.TakeFinished()) {
    ++summary_.batches;
    for (const EmbedResult& result : batch->results) {
      ++summary_.items;
      summary_.failed_items += result.status.ok() ? 0 : 1;
      summary_.tokens_used += result.tokens_used;
      summary_.tokens_dropped += result.tokens_dropped;
    }
    if (absl::Status status = sink_(batch->first_index, std::move(batch->results)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

// The larger of the item's share of the request and of the response.
int64_t BulkEmbedder::BatchBytes(const Item& item) const {
  int64_t vectors = 1;
  if (options_.embed.output == Output::kTokens) {
    vectors = MaxTokens(item);
    if (environment_.max_tokens > 0) vectors = std::min<int64_t>(vectors, environment_.max_tokens);
  }
  return std::max(WireBytes(item), vectors * environment_.bytes_per_vector);
}

void BulkEmbedder::FillOneBatch() {
  std::vector<absl::StatusOr<Item>> items;
  int64_t bytes = 0;
  while (static_cast<int32_t>(items.size()) < std::max(1, options_.max_batch_items)) {
    std::optional<absl::StatusOr<Item>> next = carried_.has_value() ? std::exchange(carried_, std::nullopt) : source_();
    if (!next.has_value()) {
      source_done_ = true;
      break;
    }
    if (next->ok()) {
      const absl::Status fault = CheckItem(**next, environment_.max_message_bytes);
      if (!fault.ok()) next = absl::StatusOr<Item>(fault);
    }
    const int64_t added = next->ok() ? BatchBytes(**next) : 0;
    if (!items.empty() && bytes + added > options_.max_batch_bytes) {
      carried_ = std::move(next);
      break;
    }
    bytes += added;
    items.push_back(std::move(*next));
  }
  if (!items.empty()) window_.Add(std::move(items));
}

bool BulkEmbedder::CanSendNow(SteadyTime now) const {
  return window_.HasWaiting() && window_.sent() < allowed_in_flight_ && now >= send_after_;
}

void BulkEmbedder::SendOne() {
  const SteadyTime now = environment_.clock->Now();
  if (!CanSendNow(now)) return;
  if (stream_ == nullptr) {
    if (now < open_after_) return;
    stream_ = environment_.open_stream();
  }
  if (!stream_->CanSend()) return;
  if (window_.sent() == 0 && last_trouble_.ok()) last_progress_ = now;  // idle until now: the wait starts here
  const BulkWindow::Batch* batch = window_.TakeToSend();
  if (batch->attempts > 1) ++summary_.resent_batches;
  std::vector<const Item*> items;
  for (const auto& item : batch->items) {
    if (item.ok()) items.push_back(&*item);
  }
  stream_->Send(std::to_string(batch->id), items, options_.embed);
}

SteadyTime BulkEmbedder::NextWakeUp(SteadyTime now) const {
  SteadyTime wake_up = std::min(deadline_, Later(last_progress_, options_.progress_timeout));
  if (window_.HasWaiting() && window_.sent() < allowed_in_flight_) {
    if (now < send_after_) wake_up = std::min(wake_up, send_after_);
    if (stream_ == nullptr) wake_up = std::min(wake_up, std::max(open_after_, send_after_));
  }
  return wake_up;
}

void BulkEmbedder::WaitForEvent() {
  const SteadyTime now = environment_.clock->Now();
  const bool can_fill = !source_done_ && window_.HasRoom();
  const bool can_send = CanSendNow(now) && (stream_ == nullptr ? now >= open_after_ : stream_->CanSend());
  // The window's front may have been finished without the network (nothing but bad items).
  const bool can_deliver = window_.sent() == 0 && !window_.HasWaiting();
  const SteadyTime until = can_fill || can_send || can_deliver ? now : NextWakeUp(now);
  if (stream_ == nullptr) {
    if (until > now) environment_.clock->SleepUntil(until);
    return;
  }
  StreamEvent event = stream_->Next(until);
  if (event.kind == StreamEvent::Kind::kResponse) OnResponse(std::move(event));
  if (event.kind == StreamEvent::Kind::kClosed) OnClosed(event.status);
}

absl::Status BulkEmbedder::CheckTimeouts() {
  if (window_.sent() == 0 && !window_.HasWaiting()) return absl::OkStatus();
  const SteadyTime now = environment_.clock->Now();
  const bool stalled =
      window_.sent() + (last_trouble_.ok() ? 0 : 1) > 0 && now >= Later(last_progress_, options_.progress_timeout);
  if (now < deadline_ && !stalled) return absl::OkStatus();
  // The last trouble explains more than the clock does.
  if (!last_trouble_.ok()) {
    return absl::Status(last_trouble_.code(), absl::StrCat(last_trouble_.message(), " (and no answer since then)"));
  }
  if (now >= deadline_) return absl::DeadlineExceededError("the time allowed for the whole input is over");
  return absl::DeadlineExceededError(
      absl::StrCat("the server has not answered anything for ", options_.progress_timeout.count(), " ms"));
}

void BulkEmbedder::OnResponse(StreamEvent event) {
  int64_t id = -1;
  BulkWindow::Batch* batch = absl::SimpleAtoi(event.id, &id) ? window_.FindSent(id) : nullptr;
  if (batch == nullptr) {
    fatal_ = absl::InternalError(absl::StrCat("the server answered request '", event.id, "', which is not in flight"));
  } else if (IsRetryable(event.status)) {
    OnRefused(batch, event.status);
  } else if (MeetsEveryBatch(event.status)) {
    fatal_ = event.status;
  } else if (!event.status.ok()) {
    last_progress_ = environment_.clock->Now();
    window_.FinishWithError(batch, event.status);
  } else {
    OnAnswered(batch, std::move(event.reply));
  }
}

void BulkEmbedder::OnRefused(BulkWindow::Batch* batch, const absl::Status& status) {
  window_.ReturnToWaiting(batch);
  last_trouble_ = status;
  allowed_in_flight_ = std::max(1, allowed_in_flight_ / 2);
  // Later caps the sum; a hint beyond progress_timeout ends in CheckTimeouts.
  send_after_ = std::max(send_after_, Later(environment_.clock->Now(), refusal_backoff_.Next(RetryAfter(status))));
}

void BulkEmbedder::OnAnswered(BulkWindow::Batch* batch, EmbedReply reply) {
  if (static_cast<int64_t>(reply.results.size()) != BulkWindow::CountGood(*batch)) {
    fatal_ = absl::InternalError(absl::StrCat("the server answered ", reply.results.size(), " results for ",
                                              BulkWindow::CountGood(*batch), " items"));
    return;
  }
  if (ShouldBeSentAgain(reply) && batch->attempts < environment_.retry.max_attempts) {
    OnRefused(batch, absl::UnavailableError("the server put off some items"));
    return;
  }
  if (answered_once_ && reply.model_fingerprint != summary_.model_fingerprint) {
    fatal_ = absl::FailedPreconditionError(absl::StrCat("the model changed during the call, from fingerprint ",
                                                        summary_.model_fingerprint, " to ", reply.model_fingerprint,
                                                        "; vectors of the two must not be mixed"));
    return;
  }
  summary_.model = reply.model;
  summary_.model_fingerprint = reply.model_fingerprint;
  if (reply.metadata.has_value()) {
    CallMetadata& cost = summary_.cost;
    cost.tokenize_us += reply.metadata->tokenize_us;
    cost.queue_us += reply.metadata->queue_us;
    cost.compute_us += reply.metadata->compute_us;
    cost.total_us += reply.metadata->total_us;
    cost.batch_items = std::max(cost.batch_items, reply.metadata->batch_items);
    cost.batch_tokens = std::max(cost.batch_tokens, reply.metadata->batch_tokens);
  }
  answered_once_ = true;
  last_progress_ = environment_.clock->Now();
  last_trouble_ = absl::OkStatus();
  refusal_backoff_.Reset();
  connect_backoff_.Reset();
  allowed_in_flight_ = std::min(allowed_in_flight_ + 1, std::max(1, options_.max_in_flight));
  window_.Finish(batch, std::move(reply.results));
}

void BulkEmbedder::OnClosed(const absl::Status& status) {
  stream_.reset();
  window_.ReturnAllSentToWaiting();
  last_trouble_ =
      status.ok() ? absl::UnavailableError("the server ended the stream before it had answered everything") : status;
  if (!MayReconnect(status)) {
    fatal_ = status;
    return;
  }
  const SteadyTime now = environment_.clock->Now();
  open_after_ = Later(now, connect_backoff_.Next(RetryAfter(status)));
  ++summary_.reconnects;
  // A server that restarts is given progress_timeout; one that was never there, or a stream that always breaks in the
  // same unexplained way, is not.
  const bool patient = answered_once_ && IsRetryable(last_trouble_);
  if (!patient && connect_backoff_.failures() >= environment_.retry.max_attempts) fatal_ = last_trouble_;
}

}  // namespace attendant::client
