#include "server/rpc/embed_stream.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <memory>
#include <utility>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/grpc_support.h"
#include "server/rpc/message_scan.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/stream_call.h"

namespace attendant {
namespace {

StreamAnswer ToAnswer(std::string id, Outcome<v1::EmbedResponse> outcome) {
  v1::EmbedStreamResponse response;
  response.set_id(std::move(id));
  if (outcome.status.ok()) {
    response.mutable_response()->Swap(&outcome.response);
  } else {
    *response.mutable_status() = ToItemStatus(outcome.status);
    response.set_retry_after_ms(RetryAfterOf(outcome.status).count());
  }
  return {.status = std::move(outcome.status),
          .report = std::move(outcome.report),
          .bytes = SerializeMessage(response),
          .after_failure = AfterFailure::kGoOn};
}

}  // namespace

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartEmbedStream(const ServiceCore& core,
                                                                              grpc::CallbackServerContext* context,
                                                                              OpenCalls* open_calls) {
  StreamHandler handler = [&core, models = std::make_shared<StreamModels>()](
                              const std::shared_ptr<CallChain>& chain, grpc::ByteBuffer bytes, StreamRespond respond) {
    auto message = std::make_shared<v1::EmbedStreamRequest>();
    absl::Status status = ParseMessage(core, *chain, &bytes, message.get());
    if (!status.ok()) {
      grpc::ProtoBufferReader reader(&bytes);
      std::string id = FindString(v1::EmbedStreamRequest::kIdFieldNumber, &reader);
      return respond(ToAnswer(std::move(id), {.status = std::move(status), .response = {}, .report = {}}));
    }
    bytes.Clear();
    // Shares the ownership: the flow's views into the texts keep the whole request alive.
    std::shared_ptr<const v1::EmbedRequest> embed(message, &message->request());
    CallContext call = chain->context();
    call.models = models;
    RunEmbed(core, std::move(call), std::move(embed),
             [message, respond = std::move(respond)](Outcome<v1::EmbedResponse> outcome) {
               respond(ToAnswer(message->id(), std::move(outcome)));
             });
  };
  return StartStream(core, open_calls, RpcMethod::kEmbedStream, context,
                     {AnswerOrder::kOfCompletion, std::move(handler)});
}

}  // namespace attendant
