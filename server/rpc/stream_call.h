// A stream of requests and answers, for every door that has one: reads ahead only as far as the in-flight limit, puts
// each message through a chain of its own, writes the answers in the order of completion or of the requests.
//
// A request counts as in flight from the read until its answer has been written, so a client that does not read its
// answers stops the reading of its requests. Half-close drains; cancellation cancels everything.
// It is not: what answers a message; that is the handler's.
// Includes gRPC: for the few .cc files that hold services only. Thread-safety: internally synchronised.
// Ownership: a stream owns itself until gRPC's OnDone.
#ifndef ATTENDANT_SERVER_RPC_STREAM_CALL_H_
#define ATTENDANT_SERVER_RPC_STREAM_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <utility>

#include "server/rpc/call_chain.h"
#include "server/rpc/grpc_support.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/service_core.h"

namespace attendant {

using ByteStream = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

enum class AnswerOrder { kOfCompletion, kOfRequests };
// What a request that failed does to its stream: the answer says so and the stream goes on, or it ends with the status.
enum class AfterFailure { kGoOn, kEnd };

struct StreamAnswer {
  absl::Status status;  // of the request, for metrics and the access log
  CallReport report;
  grpc::ByteBuffer bytes;
  AfterFailure after_failure = AfterFailure::kGoOn;
};

// Answers one message: calls respond exactly once, on any thread. The chain may have refused it already.
using StreamRespond = std::function<void(StreamAnswer)>;
using StreamHandler = std::function<void(const std::shared_ptr<CallChain>&, grpc::ByteBuffer, StreamRespond)>;

// Starts the stream of a call and returns its reactor.
ByteStream* StartStream(const ServiceCore& core, OpenCalls* open_calls, RpcMethod method,
                        grpc::CallbackServerContext* context, std::pair<AnswerOrder, StreamHandler> how);

// The handler that runs a unary call's flow for each message; a failure ends the stream.
template <typename Request, typename Response>
StreamHandler HandleWith(
    const ServiceCore& core,
    std::function<void(const ServiceCore&, CallContext, std::shared_ptr<const Request>, Done<Response>)> flow) {
  return [&core, flow = std::move(flow), models = std::make_shared<StreamModels>()](
             const std::shared_ptr<CallChain>& chain, grpc::ByteBuffer bytes, StreamRespond respond) {
    auto message = std::make_shared<Request>();
    absl::Status status = ParseMessage(core, *chain, &bytes, message.get());
    if (!status.ok()) {
      return respond({.status = std::move(status), .report = {}, .bytes = {}, .after_failure = AfterFailure::kEnd});
    }
    bytes.Clear();
    CallContext call = chain->context();
    call.models = models;
    flow(core, std::move(call), std::move(message), [respond = std::move(respond)](Outcome<Response> outcome) {
      StreamAnswer answer{.status = std::move(outcome.status),
                          .report = std::move(outcome.report),
                          .bytes = {},
                          .after_failure = AfterFailure::kEnd};
      if (answer.status.ok()) answer.bytes = SerializeMessage(outcome.response);
      respond(std::move(answer));
    });
  };
}

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_STREAM_CALL_H_
