#include "tests/integration/raw_calls.h"

#include <google/protobuf/any.pb.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <set>
#include <utility>

#include "attendant/v1/embedding.pb.h"
#include "google/rpc/error.pb.h"
#include "gtest/gtest.h"

namespace attendant {
namespace {

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

std::shared_ptr<grpc::Channel> NewChannel(int port) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Otherwise what is not read piles up here, in a window that grows with the speed of the line: to 100 MB on loopback.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments);
}

RawStatus ToRaw(const grpc::Status& status) {
  RawStatus raw{static_cast<absl::StatusCode>(status.error_code()), status.error_message(), {}, {}};
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  for (const google::protobuf::Any& detail : details.details()) {
    google::rpc::BadRequest bad_request;
    google::rpc::RetryInfo retry;
    if (detail.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) raw.fields.push_back(violation.field());
    } else if (detail.UnpackTo(&retry)) {
      raw.retry_after =
          std::chrono::milliseconds(retry.retry_delay().seconds() * 1000 + retry.retry_delay().nanos() / 1'000'000);
    }
  }
  return raw;
}

}  // namespace

class RawCall::Impl {
 public:
  Impl(int port, const std::string& method, std::chrono::milliseconds timeout)
      : channel_(NewChannel(port)), stub_(channel_) {
    context_.set_deadline(std::chrono::system_clock::now() + timeout);
    const std::string path = method[0] == '/' ? method : "/attendant.v1.EmbeddingService/" + method;
    call_ = stub_.PrepareCall(&context_, path, &queue_);
    call_->StartCall(Tag(kStart));
    Wait(kStart, kLongEnough);
  }

  ~Impl() {
    context_.TryCancel();
    if (!finished_) Finish();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  bool Send(const std::string& message, std::chrono::milliseconds wait) {
    // At most one write is allowed at a time.
    if (writing_ && !Wait(kWrite, wait)) return false;
    call_->Write(ToBuffer(message), Tag(kWrite));
    writing_ = true;
    if (!Wait(kWrite, wait)) return false;
    writing_ = false;
    return ok_[kWrite];
  }

  void CloseSending() {
    if (writing_) Wait(kWrite, kLongEnough);
    writing_ = false;
    call_->WritesDone(Tag(kClose));
    Wait(kClose, kLongEnough);
  }

  std::optional<std::string> Read(std::chrono::milliseconds wait) {
    if (!reading_) call_->Read(&buffer_, Tag(kRead));
    reading_ = true;
    if (!Wait(kRead, wait)) return std::nullopt;
    reading_ = false;
    return ok_[kRead] ? std::optional<std::string>(ToString(buffer_)) : std::nullopt;
  }

  void Cancel() { context_.TryCancel(); }

  RawStatus Finish() {
    grpc::Status status(grpc::StatusCode::UNKNOWN, "no status");
    call_->Finish(&status, Tag(kFinish));
    EXPECT_TRUE(Wait(kFinish, kLongEnough)) << "the call did not end";
    finished_ = true;
    return ToRaw(status);
  }

 private:
  enum Operation { kStart, kWrite, kClose, kRead, kFinish, kCount };

  static void* Tag(Operation operation) { return reinterpret_cast<void*>(static_cast<intptr_t>(operation)); }

  bool Wait(Operation operation, std::chrono::milliseconds wait) {
    const auto until = std::chrono::system_clock::now() + wait;
    while (done_.erase(operation) == 0) {
      void* tag = nullptr;
      bool ok = false;
      if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) return false;
      const auto completed = static_cast<Operation>(reinterpret_cast<intptr_t>(tag));
      done_.insert(completed);
      ok_[completed] = ok;
    }
    return true;
  }

  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer buffer_;
  std::set<Operation> done_;
  bool ok_[kCount] = {};
  bool writing_ = false;
  bool reading_ = false;
  bool finished_ = false;
};

RawCall::RawCall(int port, const std::string& method, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>(port, method, timeout)) {}
RawCall::~RawCall() = default;

bool RawCall::Send(const std::string& message, std::chrono::milliseconds wait) { return impl_->Send(message, wait); }
void RawCall::CloseSending() { impl_->CloseSending(); }
std::optional<std::string> RawCall::Read(std::chrono::milliseconds wait) { return impl_->Read(wait); }
void RawCall::Cancel() { impl_->Cancel(); }
RawStatus RawCall::Finish() { return impl_->Finish(); }

RawReply RawUnary(int port, const std::string& method, const std::string& message, std::chrono::milliseconds timeout) {
  RawCall call(port, method, timeout);
  call.Send(message);
  call.CloseSending();
  RawReply reply;
  reply.message = call.Read().value_or("");
  reply.status = call.Finish();
  return reply;
}

std::string EmbedMessage(const std::vector<std::string>& texts, const std::string& model) {
  v1::EmbedRequest request;
  request.set_model(model);
  for (const std::string& text : texts) request.add_items()->set_text(text);
  return request.SerializeAsString();
}

std::string EmbedStreamMessage(const std::string& id, const std::vector<std::string>& texts) {
  v1::EmbedStreamRequest request;
  request.set_id(id);
  EXPECT_TRUE(request.mutable_request()->ParseFromString(EmbedMessage(texts)));
  return request.SerializeAsString();
}

std::string AttentionMessage(const std::string& text) {
  v1::GetAttentionRequest request;
  request.mutable_item()->set_text(text);
  return request.SerializeAsString();
}

std::string EmbedMessageWithUnknownPooling() {
  v1::EmbedRequest request;
  request.add_items()->set_text("a text");
  request.mutable_options()->add_pooling(static_cast<v1::Pooling>(99));
  return request.SerializeAsString();
}

int CountResults(const std::string& embed_response) {
  v1::EmbedResponse response;
  EXPECT_TRUE(response.ParseFromString(embed_response));
  return response.results_size();
}

std::string StreamResponseId(const std::string& embed_stream_response) {
  v1::EmbedStreamResponse response;
  EXPECT_TRUE(response.ParseFromString(embed_stream_response));
  return response.id();
}

}  // namespace attendant
