// The door of every unary call: bytes through the CallChain to a flow, and the flow's answer back. Services differ in
// their messages and flows only.
//
// Includes gRPC: for the few .cc files that hold services only. Thread-safety: gRPC calls a call's reactions one after
// another; the flow may end on any thread. Ownership: a call owns itself until OnDone, which follows Finish.
#ifndef ATTENDANT_SERVER_RPC_UNARY_CALL_H_
#define ATTENDANT_SERVER_RPC_UNARY_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "server/rpc/call_chain.h"
#include "server/rpc/grpc_support.h"
#include "server/rpc/open_calls.h"

namespace attendant {

template <typename Request, typename Response>
class UnaryCall final : public grpc::ServerUnaryReactor, public OpenCalls::Member {
 public:
  using Flow = std::function<void(const ServiceCore&, CallContext, std::shared_ptr<const Request>, Done<Response>)>;

  UnaryCall(const ServiceCore& core, OpenCalls* open_calls, RpcMethod method, grpc::CallbackServerContext* context,
            grpc::ByteBuffer* response)
      : core_(core),
        open_calls_(open_calls),
        context_(context),
        response_(response),
        cancel_(std::make_shared<CancelToken>()),
        chain_(core, method, FactsOf(*context, cancel_)) {}

  void Start(const grpc::ByteBuffer* request, Flow flow) {
    if (!chain_.admitted().ok()) return End({.status = chain_.admitted(), .response = {}, .report = {}});
    // gRPC keeps the request until the call ends; the object behind the const pointer is not const, and its bytes are
    // not needed that long.
    grpc::ByteBuffer bytes;
    bytes.Swap(const_cast<grpc::ByteBuffer*>(request));
    const size_t size = bytes.Length();
    RunWhereItFits(core_, size, [this, bytes = std::move(bytes), flow = std::move(flow)]() mutable {
      auto message = std::make_shared<Request>();
      absl::Status status = ParseMessage(core_, chain_, &bytes, message.get());
      if (!status.ok()) return End({.status = std::move(status), .response = {}, .report = {}});
      bytes.Clear();
      flow(core_, chain_.context(), std::move(message), [this](Outcome<Response> outcome) { End(std::move(outcome)); });
    });
  }

  void OnCancel() override { cancel_->Cancel(); }

  void OnDone() override {
    if (watched_) open_calls_->Remove(this);
    delete this;
  }

  void CancelIfStuckSince(SteadyTime time) override {
    if (write_timer_.RunsSince(time)) context_->TryCancel();
  }

 private:
  // HTTP/2's initial window: what the transport takes from us before the client has read anything.
  static constexpr size_t kWatchedBytes = 64 * 1024;

  void End(Outcome<Response> outcome) {
    if (outcome.status.ok()) *response_ = SerializeMessage(outcome.response);
    chain_.Record(outcome.status, outcome.report);
    const grpc::Status status = EndCall(outcome.status, context_);
    // A small answer fits into the transport's buffers, whoever reads it.
    watched_ = response_->Length() > kWatchedBytes;
    if (watched_) {
      write_timer_.Begin();
      open_calls_->Add(this);
    }
    Finish(status);
  }

  const ServiceCore& core_;
  OpenCalls* const open_calls_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer* const response_;
  const std::shared_ptr<CancelToken> cancel_;
  CallChain chain_;
  WriteTimer write_timer_;
  bool watched_ = false;
};

template <typename Request, typename Response>
grpc::ServerUnaryReactor* StartUnary(const ServiceCore& core, OpenCalls* open_calls, RpcMethod method,
                                     grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response, typename UnaryCall<Request, Response>::Flow flow) {
  auto* call = new UnaryCall<Request, Response>(core, open_calls, method, context, response);
  call->Start(request, std::move(flow));
  return call;
}

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_UNARY_CALL_H_
