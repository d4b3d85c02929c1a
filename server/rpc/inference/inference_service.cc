#include "server/rpc/inference/inference_service.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/rpc/inference/infer_flow.h"
#include "server/rpc/inference/infer_request.h"
#include "server/rpc/inference/model_description.h"
#include "server/rpc/message_scan.h"
#include "server/rpc/open_calls.h"
#include "server/rpc/raw_service.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/stream_call.h"
#include "server/rpc/unary_call.h"

namespace attendant {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using inference::ModelStreamInferResponse;

// A client that counts on a last answer without contents says so; here every request has one answer, which is the last.
constexpr char kWantsFinalFlag[] = "triton_enable_empty_final_response";
constexpr char kFinalFlag[] = "triton_final_response";

StreamAnswer ToAnswer(const ModelInferRequest& request, Outcome<ModelInferResponse> outcome) {
  ModelStreamInferResponse response;
  response.mutable_infer_response()->Swap(&outcome.response);
  ModelInferResponse* answer = response.mutable_infer_response();
  if (!outcome.status.ok()) {
    // As a client sees it elsewhere: clipped, and valid UTF-8.
    response.set_error_message(ToItemStatus(outcome.status).message());
    answer->Clear();
  }
  answer->set_id(request.id());
  if (request.parameters().contains(kWantsFinalFlag)) (*answer->mutable_parameters())[kFinalFlag].set_bool_param(true);
  return {.status = std::move(outcome.status),
          .report = std::move(outcome.report),
          .bytes = SerializeMessage(response),
          .after_failure = AfterFailure::kGoOn};
}

StreamHandler InferHandler(const ServiceCore& core) {
  return [&core, models = std::make_shared<StreamModels>()](const std::shared_ptr<CallChain>& chain,
                                                            grpc::ByteBuffer bytes, StreamRespond respond) {
    auto message = std::make_shared<ModelInferRequest>();
    absl::Status status = ParseMessage(core, *chain, &bytes, message.get());
    if (!status.ok()) {
      message->Clear();
      grpc::ProtoBufferReader reader(&bytes);
      message->set_id(FindString(ModelInferRequest::kIdFieldNumber, &reader));
      return respond(ToAnswer(*message, {.status = std::move(status), .response = {}, .report = {}}));
    }
    bytes.Clear();
    CallContext call = chain->context();
    call.models = models;
    RunInfer(core, std::move(call), message, [message, respond = std::move(respond)](Outcome<ModelInferResponse> done) {
      respond(ToAnswer(*message, std::move(done)));
    });
  };
}

}  // namespace

class InferenceService::Impl final : public RawService<inference::GRPCInferenceService::Service> {
 public:
  Impl(const ServiceCore& core, InferenceFacts facts)
      : RawService(InferenceService::full_name()),
        core_(core),
        facts_(std::move(facts)),
        open_calls_(core.limits.write_timeout) {
    ServeServer();
    ServeModels();
    ServeUnary("ModelInfer", [this](Context* context, const Bytes* request, Bytes* response) {
      return StartUnary<ModelInferRequest, ModelInferResponse>(core_, &open_calls_, RpcMethod::kInferenceModelInfer,
                                                               context, request, response, &RunInfer);
    });
    ServeStream("ModelStreamInfer", [this](Context* context) {
      return StartStream(core_, &open_calls_, RpcMethod::kInferenceModelStreamInfer, context,
                         {AnswerOrder::kOfRequests, InferHandler(core_)});
    });
    RefuseOthers();
  }

  void DrainStreams() { open_calls_.Drain(); }

 private:
  // answer: absl::Status(const Request&, Response*), at once.
  template <typename Request, typename Response, typename Answer>
  void Serve(const char* name, RpcMethod method, Answer answer) {
    ServeUnary(name, [this, method, answer](Context* context, const Bytes* request, Bytes* response) {
      return StartUnary<Request, Response>(
          core_, &open_calls_, method, context, request, response,
          [answer](const ServiceCore&, const CallContext&, const std::shared_ptr<const Request>& message,
                   const Done<Response>& done) {
            Outcome<Response> outcome;
            outcome.status = answer(*message, &outcome.response);
            done(std::move(outcome));
          });
    });
  }

  void ServeServer() {
    Serve<inference::ServerLiveRequest, inference::ServerLiveResponse>("ServerLive", RpcMethod::kInferenceServerLive,
                                                                       [](const auto&, auto* response) {
                                                                         response->set_live(true);
                                                                         return absl::OkStatus();
                                                                       });
    Serve<inference::ServerReadyRequest, inference::ServerReadyResponse>(
        "ServerReady", RpcMethod::kInferenceServerReady, [this](const auto&, auto* response) {
          response->set_ready(facts_.ready());
          return absl::OkStatus();
        });
    Serve<inference::ServerMetadataRequest, inference::ServerMetadataResponse>(
        "ServerMetadata", RpcMethod::kInferenceServerMetadata, [this](const auto&, auto* response) {
          response->set_name("attendant");
          response->set_version(facts_.version);
          for (const char* extension : {"binary_tensor_data", "model_configuration", "statistics",
                                        "model_repository(index)", "schedule_policy", "parameters"}) {
            response->add_extensions(extension);
          }
          return absl::OkStatus();
        });
    Serve<inference::RepositoryIndexRequest, inference::RepositoryIndexResponse>(
        "RepositoryIndex", RpcMethod::kInferenceRepositoryIndex, [this](const auto& request, auto* response) {
          for (const ModelStatus& model : core_.models->List()) {
            if (!request.ready() || model.state == ModelState::kReady) SetIndex(model, response->add_models());
          }
          return absl::OkStatus();
        });
  }

  void ServeModels() {
    Serve<inference::ModelReadyRequest, inference::ModelReadyResponse>(
        "ModelReady", RpcMethod::kInferenceModelReady, [this](const auto& request, auto* response) {
          response->set_ready(Find(request).ok() && facts_.ready());
          return absl::OkStatus();
        });
    Serve<inference::ModelMetadataRequest, inference::ModelMetadataResponse>(
        "ModelMetadata", RpcMethod::kInferenceModelMetadata, [this](const auto& request, auto* response) {
          const auto model = Find(request);
          if (model.ok()) SetMetadata((*model)->info(), response);
          return model.status();
        });
    Serve<inference::ModelConfigRequest, inference::ModelConfigResponse>(
        "ModelConfig", RpcMethod::kInferenceModelConfig, [this](const auto& request, auto* response) {
          const auto model = Find(request);
          if (model.ok()) SetConfig((*model)->info(), core_.limits.max_items_per_request, response->mutable_config());
          return model.status();
        });
    Serve<inference::ModelStatisticsRequest, inference::ModelStatisticsResponse>(
        "ModelStatistics", RpcMethod::kInferenceModelStatistics, [this](const auto& request, auto* response) {
          if (!request.name().empty()) {
            const auto model = Find(request);
            if (model.ok()) SetStatistics(**model, response->add_model_stats());
            return model.status();
          }
          for (const ModelStatus& model : core_.models->List()) {
            if (model.state == ModelState::kReady) SetStatistics(*model.model, response->add_model_stats());
          }
          return absl::OkStatus();
        });
  }

  void RefuseOthers() {
    const auto refuse = [this](const char* method, const char* why) {
      Refuse(method, core_, RpcMethod::kInferenceNotOffered, absl::UnimplementedError(why));
    };
    for (const char* method : {"RepositoryModelLoad", "RepositoryModelUnload"}) {
      refuse(method, "models are loaded and unloaded through attendant.v1.AdminService (--admin-address)");
    }
    for (const char* method : {"SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister",
                               "CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"}) {
      refuse(method, "this server has no shared memory with its callers; send tensors in the message");
    }
    refuse("TraceSetting", "there are no traces to set; see the metrics and the access log (--access-log)");
    refuse("LogSettings", "logging is set by the server's flags (--log-level, --log-format)");
  }

  template <typename Request>
  absl::StatusOr<ModelRef> Find(const Request& request) const {
    if (absl::Status status = CheckVersion(request.version()); !status.ok()) return status;
    return FindModel(core_, request.name());
  }

  const ServiceCore& core_;
  const InferenceFacts facts_;
  OpenCalls open_calls_;
};

InferenceService::InferenceService(const ServiceCore& core, InferenceFacts facts)
    : impl_(std::make_unique<Impl>(core, std::move(facts))) {}
InferenceService::~InferenceService() = default;

grpc::Service* InferenceService::grpc_service() { return impl_.get(); }

void InferenceService::DrainStreams() { impl_->DrainStreams(); }

}  // namespace attendant
