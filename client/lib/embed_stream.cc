#include "client/lib/embed_stream.h"

#include <grpcpp/grpcpp.h>

#include <optional>
#include <utility>

#include "client/lib/errors.h"
#include "client/lib/grpc_support.h"
#include "client/lib/wire.h"

namespace attendant::client {
namespace {

// A completion queue that only the owner's thread polls: no thread of our own, no lock.
class GrpcEmbedStream : public EmbedStream {
 public:
  GrpcEmbedStream(v1::EmbeddingService::Stub* stub, SteadyTime deadline, std::string where, const std::string& api_key)
      : where_(std::move(where)) {
    SetUpCall(api_key, deadline, &context_);
    call_ = stub->PrepareAsyncEmbedStream(&context_, &queue_);
    call_->StartCall(Tag(Operation::kStart));
    ++pending_;
  }

  ~GrpcEmbedStream() override {
    context_.TryCancel();
    // Operations complete soon after a cancel; the queue may be destroyed only when it has handed out all of them.
    if (!finishing_) StartFinish();
    void* tag = nullptr;
    bool ok = false;
    while (pending_ > 0 && queue_.Next(&tag, &ok)) --pending_;
    queue_.Shutdown();
    while (queue_.Next(&tag, &ok)) {
    }
  }

  bool CanSend() const override { return started_ && !writing_ && !closed_sending_ && !finishing_; }

  void Send(const std::string& id, const std::vector<const Item*>& items, const EmbedOptions& options) override {
    request_.Clear();
    request_.set_id(id);
    ToWire(items, options, request_.mutable_request());
    writing_ = true;
    ++pending_;
    call_->Write(request_, Tag(Operation::kWrite));
  }

  void CloseSending() override {
    closed_sending_ = true;
    ++pending_;
    call_->WritesDone(Tag(Operation::kWritesDone));
  }

  StreamEvent Next(SteadyTime until) override {
    while (!finished_) {
      void* tag = nullptr;
      bool ok = false;
      const auto outcome = queue_.AsyncNext(&tag, &ok, ToGrpcTime(until));
      if (outcome != grpc::CompletionQueue::GOT_EVENT) return {};
      --pending_;
      if (auto event = OnOperation(static_cast<Operation>(reinterpret_cast<intptr_t>(tag)), ok))
        return std::move(*event);
    }
    return ClosedEvent();
  }

 private:
  enum class Operation : intptr_t { kStart = 1, kRead, kWrite, kWritesDone, kFinish };

  static void* Tag(Operation operation) { return reinterpret_cast<void*>(static_cast<intptr_t>(operation)); }

  std::optional<StreamEvent> OnOperation(Operation operation, bool ok) {
    if (operation == Operation::kFinish) {
      finished_ = true;
      return ClosedEvent();
    }
    if (operation == Operation::kWrite) writing_ = false;
    if (!ok) {
      // Whatever failed, the status is in Finish. The answers that still arrive are read first: a failed write does
      // not end the reading.
      if (operation == Operation::kRead || operation == Operation::kStart) StartFinish();
      return std::nullopt;
    }
    if (operation == Operation::kStart) {
      started_ = true;
      StartRead();
      return StreamEvent{StreamEvent::Kind::kWritable, "", absl::OkStatus(), {}};
    }
    if (operation == Operation::kWrite) return StreamEvent{StreamEvent::Kind::kWritable, "", absl::OkStatus(), {}};
    if (operation == Operation::kRead) {
      StreamEvent event = ToEvent();
      StartRead();
      return event;
    }
    return std::nullopt;
  }

  StreamEvent ToEvent() const {
    StreamEvent event;
    event.kind = StreamEvent::Kind::kResponse;
    event.id = response_.id();
    event.status = FromWire(response_.status());
    if (!event.status.ok() && response_.retry_after_ms() > 0) {
      SetRetryAfter(Milliseconds(response_.retry_after_ms()), &event.status);
    }
    if (event.status.ok()) event.reply = FromWire(response_.response());
    return event;
  }

  StreamEvent ClosedEvent() const { return {StreamEvent::Kind::kClosed, "", FromGrpc(status_, where_), {}}; }

  void StartRead() {
    ++pending_;
    response_.Clear();
    call_->Read(&response_, Tag(Operation::kRead));
  }

  void StartFinish() {
    if (finishing_) return;
    finishing_ = true;
    ++pending_;
    call_->Finish(&status_, Tag(Operation::kFinish));
  }

  const std::string where_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::EmbedStreamRequest, v1::EmbedStreamResponse>> call_;
  v1::EmbedStreamRequest request_;
  v1::EmbedStreamResponse response_;
  grpc::Status status_;
  int pending_ = 0;
  bool started_ = false;
  bool writing_ = false;
  bool closed_sending_ = false;
  bool finishing_ = false;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<EmbedStream> NewEmbedStream(v1::EmbeddingService::Stub* stub, SteadyTime deadline, std::string where,
                                            const std::string& api_key) {
  return std::make_unique<GrpcEmbedStream>(stub, deadline, std::move(where), api_key);
}

}  // namespace attendant::client
