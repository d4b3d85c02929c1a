#include "server/rpc/stream_call.h"

#include <deque>
#include <mutex>
#include <utility>

#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

// Another replica can take the stream at once; a restarted one needs longer, and the client's own back-off adds to
// this.
constexpr std::chrono::milliseconds kDrainRetryAfter{100};

absl::Status DrainingStatus() {
  return WithRetryAfter(absl::UnavailableError("the server is shutting down; send what was not answered elsewhere"),
                        kDrainRetryAfter);
}

class StreamCall final : public ByteStream, public OpenCalls::Member, public std::enable_shared_from_this<StreamCall> {
 public:
  StreamCall(const ServiceCore& core, OpenCalls* open_calls, RpcMethod method, grpc::CallbackServerContext* context,
             std::pair<AnswerOrder, StreamHandler> how)
      : core_(core),
        open_calls_(open_calls),
        method_(method),
        context_(context),
        order_(how.first),
        handler_(std::move(how.second)),
        cancel_(std::make_shared<CancelToken>()) {}

  void Start() {
    self_ = shared_from_this();
    if (core_.metrics != nullptr) core_.metrics->StreamOpened(method_);
    // Not under our lock: Drain takes the lock of the open calls first, then ours.
    const bool accepted = open_calls_->Add(this);
    const absl::Status admitted = Admit();
    const std::lock_guard lock(mutex_);
    if (!admitted.ok() && !finished_) return Refuse(admitted);
    draining_ = draining_ || !accepted;
    Proceed();
  }

  void CancelIfStuckSince(SteadyTime time) override {
    if (write_timer_.RunsSince(time)) context_->TryCancel();
  }

  void Drain() override {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    Proceed();
  }

  void OnReadDone(bool ok) override {
    grpc::ByteBuffer bytes;
    std::shared_ptr<Slot> slot;
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      read_closed_ = read_closed_ || !ok;
      if (ok) {
        ++in_flight_;
        bytes.Swap(&read_);
        slot = std::make_shared<Slot>();
        if (order_ == AnswerOrder::kOfRequests) slots_.push_back(slot);
      }
      Proceed();
    }
    if (ok) Handle(std::move(slot), std::move(bytes));
  }

  void OnWriteDone(bool ok) override {
    std::shared_ptr<Slot> written;  // its memory is given back outside the lock
    const std::lock_guard lock(mutex_);
    writing_ = false;
    write_timer_.End();
    broken_ = broken_ || !ok;
    written = std::move(slots_.front());
    slots_.pop_front();
    --in_flight_;
    Proceed();
  }

  void OnCancel() override {
    cancel_->Cancel();
    const std::lock_guard lock(mutex_);
    broken_ = true;
    Proceed();
  }

  void OnDone() override {
    open_calls_->Remove(this);
    if (core_.metrics != nullptr) core_.metrics->StreamClosed(method_);
    self_.reset();  // may delete this
  }

 private:
  // Of one request, from its read or its answer on, until the answer is written.
  struct Slot {
    bool answered = false;
    absl::Status end;  // anything but OK: the stream ends here
    grpc::ByteBuffer bytes;
    std::shared_ptr<Reservation> reservation;
  };

  // May this caller have a stream, and may anybody now?
  absl::Status Admit() const {
    if (absl::Status status = Authenticate(core_, CredentialsOf(*context_)).status(); !status.ok()) return status;
    AdmissionResult admission = core_.scheduler->CheckStream();
    if (admission.reason != Refusal::kShed) return absl::OkStatus();
    return WithRetryAfter(std::move(admission.status), admission.retry_after);
  }

  // Under the lock, before anything has been started. Counts as one request, though none was read.
  void Refuse(const absl::Status& admitted) {
    finished_ = true;
    CallChain(core_, method_, FactsOf(*context_, cancel_)).Record(admitted, {});
    Finish(EndCall(admitted, context_));
  }

  void Handle(std::shared_ptr<Slot> slot, grpc::ByteBuffer bytes) {
    // The whole chain again for each request: a key that was taken back ends no stream, but opens nothing any more.
    auto chain = std::make_shared<CallChain>(core_, method_, FactsOf(*context_, cancel_));
    const size_t size = bytes.Length();
    RunWhereItFits(core_, size,
                   [self = shared_from_this(), chain, slot = std::move(slot), bytes = std::move(bytes)]() mutable {
                     StreamRespond respond = [self, chain, slot = std::move(slot)](StreamAnswer answer) {
                       self->Respond(*chain, slot, std::move(answer));
                     };
                     self->handler_(chain, std::move(bytes), std::move(respond));
                   });
  }

  void Respond(CallChain& chain, const std::shared_ptr<Slot>& slot, StreamAnswer answer) {
    chain.Record(answer.status, answer.report);
    const std::lock_guard lock(mutex_);
    if (answer.after_failure == AfterFailure::kEnd) slot->end = std::move(answer.status);
    slot->bytes = std::move(answer.bytes);
    slot->reservation = chain.context().reservation;
    slot->answered = true;
    if (order_ == AnswerOrder::kOfCompletion) slots_.push_back(slot);
    Proceed();
  }

  // Under the lock. The first answer that ends the stream: nothing behind it will be read or written.
  void BreakAtFailure() {
    if (writing_ || broken_ || slots_.empty() || !slots_.front()->answered || slots_.front()->end.ok()) return;
    end_ = slots_.front()->end;
    broken_ = true;
    cancel_->Cancel();
  }

  // Under the lock. The only place that starts operations. gRPC never runs a reaction on the thread that starts an
  // operation, so the lock may be held; and our own ownership outlives OnDone until the last holder of the lock has
  // left.
  void Proceed() {
    if (finished_) return;
    BreakAtFailure();
    if (broken_ && !writing_) {
      in_flight_ -= static_cast<int32_t>(std::erase_if(slots_, [](const auto& slot) { return slot->answered; }));
    }
    if (!broken_ && !writing_ && !slots_.empty() && slots_.front()->answered) {
      writing_ = true;
      write_timer_.Begin();
      StartWrite(&slots_.front()->bytes);
    }
    const bool may_read = !read_closed_ && !draining_ && !broken_;
    if (may_read && !reading_ && in_flight_ < core_.limits.max_in_flight_per_stream) {
      reading_ = true;
      StartRead(&read_);
    }
    if (in_flight_ == 0 && !writing_ && (read_closed_ || draining_ || broken_)) {
      finished_ = true;
      // A read that is still out ends with ok = false, after this.
      if (!end_.ok()) return Finish(EndCall(end_, context_));
      const bool complete = read_closed_ && !broken_;
      Finish(complete ? grpc::Status::OK : EndCall(broken_ ? absl::CancelledError() : DrainingStatus(), context_));
    }
  }

  const ServiceCore& core_;
  OpenCalls* const open_calls_;
  const RpcMethod method_;
  grpc::CallbackServerContext* const context_;
  const AnswerOrder order_;
  const StreamHandler handler_;
  const std::shared_ptr<CancelToken> cancel_;
  std::shared_ptr<StreamCall> self_;
  WriteTimer write_timer_;

  std::mutex mutex_;       // guards what follows
  grpc::ByteBuffer read_;  // gRPC's while reading_
  // To be written, in this order; the first is gRPC's while writing_. kOfRequests: also those not yet answered.
  std::deque<std::shared_ptr<Slot>> slots_;
  absl::Status end_;  // what the stream ends with when a request's failure ends it
  int32_t in_flight_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool read_closed_ = false;
  bool draining_ = false;
  bool broken_ = false;  // cancelled, or a write failed, or at its end: no answers are written any more
  bool finished_ = false;
};

}  // namespace

ByteStream* StartStream(const ServiceCore& core, OpenCalls* open_calls, RpcMethod method,
                        grpc::CallbackServerContext* context, std::pair<AnswerOrder, StreamHandler> how) {
  auto stream = std::make_shared<StreamCall>(core, open_calls, method, context, std::move(how));
  stream->Start();
  return stream.get();
}

}  // namespace attendant
