// A service whose methods take and give raw bytes, registered by name: what WithRawCallbackMethod_X of the generated
// code does, without a line of nesting for each method. The methods take bytes for the reasons that
// embedding_service.h gives.
//
// Base: the generated X::Service. A method that is not registered would run on gRPC's synchronous path, past the chain;
// the test of the chain goes over everything that reflection lists.
// Includes gRPC: for the few .cc files that hold services only. Thread-safety: register in the constructor only.
#ifndef ATTENDANT_SERVER_RPC_RAW_SERVICE_H_
#define ATTENDANT_SERVER_RPC_RAW_SERVICE_H_

#include <google/protobuf/descriptor.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "server/rpc/call_chain.h"
#include "server/rpc/grpc_support.h"

namespace attendant {

// Ends a call through the chain, with the chain's own refusal or this one. Owns itself until OnDone.
template <typename Reactor>
class RefusedCall final : public Reactor {
 public:
  RefusedCall(const ServiceCore& core, RpcMethod method, grpc::CallbackServerContext* context,
              const absl::Status& refusal) {
    CallChain chain(core, method, FactsOf(*context, std::make_shared<CancelToken>()));
    const absl::Status& status = chain.admitted().ok() ? refusal : chain.admitted();
    chain.Record(status, {});
    this->Finish(EndCall(status, context));
  }
  void OnDone() override { delete this; }
};

template <typename Base>
class RawService : public Base {
 protected:
  using Bytes = grpc::ByteBuffer;
  using Context = grpc::CallbackServerContext;
  using UnaryStart = std::function<grpc::ServerUnaryReactor*(Context*, const Bytes*, Bytes*)>;
  using StreamStart = std::function<grpc::ServerBidiReactor<Bytes, Bytes>*(Context*)>;

  explicit RawService(const char* full_name)
      : descriptor_(*google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(full_name)) {}

  void ServeUnary(const char* method, UnaryStart start) {
    this->MarkMethodRawCallback(IndexOf(method),
                                new grpc::internal::CallbackUnaryHandler<Bytes, Bytes>(std::move(start)));
  }
  void ServeStream(const char* method, StreamStart start) {
    this->MarkMethodRawCallback(IndexOf(method),
                                new grpc::internal::CallbackBidiHandler<Bytes, Bytes>(std::move(start)));
  }
  // A method that is not offered, of whatever kind.
  void Refuse(const char* method, const ServiceCore& core, RpcMethod rpc, const absl::Status& refusal) {
    const auto* found = descriptor_.FindMethodByName(method);
    if (found->client_streaming() && found->server_streaming()) {
      return ServeStream(method, [&core, rpc, refusal](Context* context) {
        return new RefusedCall<grpc::ServerBidiReactor<Bytes, Bytes>>(core, rpc, context, refusal);
      });
    }
    if (!found->client_streaming()) {
      return ServeUnary(method, [&core, rpc, refusal](Context* context, const Bytes*, Bytes*) {
        return new RefusedCall<grpc::ServerUnaryReactor>(core, rpc, context, refusal);
      });
    }
    const auto start = [&core, rpc, refusal](Context* context, Bytes*) {
      return new RefusedCall<grpc::ServerReadReactor<Bytes>>(core, rpc, context, refusal);
    };
    this->MarkMethodRawCallback(found->index(),
                                new grpc::internal::CallbackClientStreamingHandler<Bytes, Bytes>(start));
  }

  const google::protobuf::ServiceDescriptor& descriptor() const { return descriptor_; }

 private:
  // The generated code numbers the methods as the descriptor does.
  int IndexOf(const char* method) const { return descriptor_.FindMethodByName(method)->index(); }

  const google::protobuf::ServiceDescriptor& descriptor_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_RAW_SERVICE_H_
