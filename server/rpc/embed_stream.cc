#include "server/rpc/embed_stream.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/call_chain.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/grpc_support.h"
#include "server/rpc/message_scan.h"
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

class EmbedStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public OpenCalls::Member,
                          public std::enable_shared_from_this<EmbedStream> {
 public:
  EmbedStream(const ServiceCore& core, grpc::CallbackServerContext* context, OpenCalls* open_calls)
      : core_(core), context_(context), open_calls_(open_calls), cancel_(std::make_shared<CancelToken>()) {}

  void Start() {
    self_ = shared_from_this();
    if (core_.metrics != nullptr) core_.metrics->StreamOpened(RpcMethod::kEmbedStream);
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
    {
      const std::lock_guard lock(mutex_);
      reading_ = false;
      read_closed_ = read_closed_ || !ok;
      if (ok) {
        ++in_flight_;
        bytes.Swap(&read_);
      }
      Proceed();
    }
    if (ok) Handle(std::move(bytes));
  }

  void OnWriteDone(bool ok) override {
    Answer written;  // its memory is given back outside the lock
    const std::lock_guard lock(mutex_);
    writing_ = false;
    write_timer_.End();
    broken_ = broken_ || !ok;
    written = std::move(answers_.front());
    answers_.pop_front();
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
    if (core_.metrics != nullptr) core_.metrics->StreamClosed(RpcMethod::kEmbedStream);
    self_.reset();  // may delete this
  }

 private:
  struct Answer {
    grpc::ByteBuffer bytes;
    std::shared_ptr<Reservation> reservation;
  };
  // One request of the stream.
  struct Request {
    Request(const ServiceCore& core, grpc::CallbackServerContext* context, std::shared_ptr<CancelToken> cancel)
        : chain(core, RpcMethod::kEmbedStream, context, std::move(cancel)) {}
    CallChain chain;
    v1::EmbedStreamRequest message;
  };

  // May this caller have a stream, and may anybody now?
  absl::Status Admit() const {
    if (absl::Status status = Authenticate(core_, *context_).status(); !status.ok()) return status;
    AdmissionResult admission = core_.scheduler->CheckStream();
    if (admission.reason != Refusal::kShed) return absl::OkStatus();
    return WithRetryAfter(std::move(admission.status), admission.retry_after);
  }

  // Under the lock, before anything has been started. Counts as one request, though none was read.
  void Refuse(const absl::Status& admitted) {
    finished_ = true;
    Finish(Request(core_, context_, cancel_).chain.End(admitted, {}));
  }

  void Handle(grpc::ByteBuffer bytes) {
    // The whole chain again for each request: a key that was taken back ends no stream, but opens nothing any more.
    auto request = std::make_shared<Request>(core_, context_, cancel_);
    const size_t size = bytes.Length();
    RunWhereItFits(core_, size, [self = shared_from_this(), request, bytes = std::move(bytes)]() mutable {
      self->Run(std::move(request), std::move(bytes));
    });
  }

  void Run(std::shared_ptr<Request> request, grpc::ByteBuffer bytes) {
    absl::Status status = request->chain.Parse(&bytes, &request->message);
    if (!status.ok()) {
      grpc::ProtoBufferReader reader(&bytes);
      request->message.set_id(FindString(v1::EmbedStreamRequest::kIdFieldNumber, &reader));
      return Respond(*request, {.status = std::move(status), .response = {}, .report = {}});
    }
    bytes.Clear();
    // Shares the ownership: the flow's views into the texts keep the whole request alive.
    std::shared_ptr<const v1::EmbedRequest> embed(request, &request->message.request());
    CallContext call = request->chain.context();
    call.models = models_;
    RunEmbed(core_, std::move(call), std::move(embed),
             [self = shared_from_this(), request](Outcome<v1::EmbedResponse> outcome) {
               self->Respond(*request, std::move(outcome));
             });
  }

  void Respond(Request& request, Outcome<v1::EmbedResponse> outcome) {
    v1::EmbedStreamResponse response;
    response.set_allocated_id(request.message.release_id());
    if (outcome.status.ok()) {
      response.mutable_response()->Swap(&outcome.response);
    } else {
      *response.mutable_status() = ToItemStatus(outcome.status);
      response.set_retry_after_ms(RetryAfterOf(outcome.status).count());
    }
    request.chain.Record(outcome.status, outcome.report);
    Answer answer{SerializeMessage(response), request.chain.context().reservation};
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
    Proceed();
  }

  // Under the lock. The only place that starts operations. gRPC never runs a reaction on the thread that starts an
  // operation, so the lock may be held; and our own ownership outlives OnDone until the last holder of the lock has
  // left.
  void Proceed() {
    if (finished_) return;
    if (broken_ && !writing_) {
      in_flight_ -= static_cast<int32_t>(answers_.size());
      answers_.clear();
    }
    if (!writing_ && !answers_.empty()) {
      writing_ = true;
      write_timer_.Begin();
      StartWrite(&answers_.front().bytes);
    }
    const bool may_read = !read_closed_ && !draining_ && !broken_;
    if (may_read && !reading_ && in_flight_ < core_.limits.max_in_flight_per_stream) {
      reading_ = true;
      StartRead(&read_);
    }
    if (in_flight_ == 0 && !writing_ && (read_closed_ || draining_ || broken_)) {
      finished_ = true;
      // A read that is still out ends with ok = false, after this.
      const bool complete = read_closed_ && !broken_;
      Finish(complete ? grpc::Status::OK : EndCall(broken_ ? absl::CancelledError() : DrainingStatus(), context_));
    }
  }

  const ServiceCore& core_;
  grpc::CallbackServerContext* const context_;
  OpenCalls* const open_calls_;
  const std::shared_ptr<CancelToken> cancel_;
  const std::shared_ptr<StreamModels> models_ = std::make_shared<StreamModels>();
  std::shared_ptr<EmbedStream> self_;
  WriteTimer write_timer_;

  std::mutex mutex_;            // guards what follows
  grpc::ByteBuffer read_;       // gRPC's while reading_
  std::deque<Answer> answers_;  // the first is gRPC's while writing_
  int32_t in_flight_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool read_closed_ = false;
  bool draining_ = false;
  bool broken_ = false;  // cancelled, or a write failed: nobody reads answers any more
  bool finished_ = false;
};

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartEmbedStream(const ServiceCore& core,
                                                                              grpc::CallbackServerContext* context,
                                                                              OpenCalls* open_calls) {
  auto stream = std::make_shared<EmbedStream>(core, context, open_calls);
  stream->Start();
  return stream.get();
}

}  // namespace attendant
