#include "server/rpc/admin_service.h"

#include <grpcpp/support/server_callback.h>

#include <utility>

#include "attendant/v1/admin.grpc.pb.h"
#include "server/observability/logging.h"
#include "server/rpc/conversion.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

using grpc::ByteBuffer;
using grpc::CallbackServerContext;

template <typename Base>
using RawLoad = v1::AdminService::WithRawCallbackMethod_LoadModel<Base>;
template <typename Base>
using RawSwap = v1::AdminService::WithRawCallbackMethod_SwapModel<Base>;
template <typename Base>
using RawUnload = v1::AdminService::WithRawCallbackMethod_UnloadModel<Base>;
template <typename Base>
using RawReload = v1::AdminService::WithRawCallbackMethod_ReloadConfig<Base>;
template <typename Base>
using RawList = v1::AdminService::WithRawCallbackMethod_ListLoadedModels<Base>;
using RawAdminService = RawLoad<RawSwap<RawUnload<RawReload<RawList<v1::AdminService::Service>>>>>;

}  // namespace

class AdminService::Impl final : public RawAdminService {
 public:
  Impl(const ServiceCore& core, AdminActions actions)
      : core_(core), actions_(std::move(actions)), open_calls_(core.limits.write_timeout) {}

  grpc::ServerUnaryReactor* LoadModel(CallbackServerContext* context, const ByteBuffer* request,
                                      ByteBuffer* response) override {
    return Start<v1::LoadModelRequest, v1::ModelChange>(
        RpcMethod::kLoadModel, context, request, response,
        [this](const auto& load, auto* change) { return Load(load, change); });
  }

  grpc::ServerUnaryReactor* SwapModel(CallbackServerContext* context, const ByteBuffer* request,
                                      ByteBuffer* response) override {
    return Start<v1::SwapModelRequest, v1::ModelChange>(
        RpcMethod::kSwapModel, context, request, response,
        [this](const auto& swap, auto* change) { return Swap(swap, change); });
  }

  grpc::ServerUnaryReactor* UnloadModel(CallbackServerContext* context, const ByteBuffer* request,
                                        ByteBuffer* response) override {
    return Start<v1::UnloadModelRequest, v1::UnloadModelResponse>(RpcMethod::kUnloadModel, context, request, response,
                                                                  [this](const auto& unload, auto*) {
                                                                    if (unload.name().empty())
                                                                      return InvalidField("name", "it is empty");
                                                                    return actions_.manager->Unload(unload.name());
                                                                  });
  }

  grpc::ServerUnaryReactor* ReloadConfig(CallbackServerContext* context, const ByteBuffer* request,
                                         ByteBuffer* response) override {
    return Start<v1::ReloadConfigRequest, v1::ReloadConfigResponse>(RpcMethod::kReloadConfig, context, request,
                                                                    response, [this](const auto&, auto* answer) {
                                                                      auto changes = actions_.reload();
                                                                      if (!changes.ok()) return changes.status();
                                                                      for (std::string& change : *changes)
                                                                        answer->add_changes(std::move(change));
                                                                      return absl::OkStatus();
                                                                    });
  }

  grpc::ServerUnaryReactor* ListLoadedModels(CallbackServerContext* context, const ByteBuffer* request,
                                             ByteBuffer* response) override {
    return Start<v1::ListLoadedModelsRequest, v1::ListLoadedModelsResponse>(
        RpcMethod::kListLoadedModels, context, request, response, [this](const auto&, auto* answer) {
          for (const ModelStatus& status : actions_.models->List()) Describe(status, answer->add_models());
          return absl::OkStatus();
        });
  }

 private:
  // action: absl::Status(const Request&, Response*), on one of the pool's threads. How a change ended is in the log.
  template <typename Request, typename Response, typename Action>
  grpc::ServerUnaryReactor* Start(RpcMethod method, CallbackServerContext* context, const ByteBuffer* bytes,
                                  ByteBuffer* answer, Action action) {
    const std::string peer = context->peer();
    return StartUnary<Request, Response>(
        core_, &open_calls_, method, context, bytes, answer,
        [=](const ServiceCore& core, const CallContext& call, const std::shared_ptr<const Request>& request,
            const Done<Response>& done) {
          core.pool->Post([=] {
            Outcome<Response> outcome;
            // Who has gone meanwhile does not mean it any more.
            outcome.status = call.Check();
            if (outcome.status.ok()) outcome.status = action(*request, &outcome.response);
            if (method != RpcMethod::kListLoadedModels) {
              LogInfo("admin call", {{"method", RpcMethodName(method)},
                                     {"peer", peer},
                                     {"key", call.caller->name()},
                                     {"code", StatusCodeName(outcome.status.code())},
                                     {"reason", std::string(outcome.status.message())}});
            }
            done(std::move(outcome));
          });
        });
  }

  absl::Status Load(const v1::LoadModelRequest& request, v1::ModelChange* change) {
    if (request.directory().empty()) return InvalidField("directory", "it is empty");
    ModelSpec spec;
    spec.name = request.name().empty() ? DirectoryName(request.directory()) : request.name();
    spec.directory = request.directory();
    spec.precision = request.precision();
    if (request.weight() != 0) spec.quota.weight = request.weight();
    if (request.max_queued_tokens() != 0) spec.quota.max_queued_tokens = request.max_queued_tokens();
    const auto model = actions_.manager->Load(spec);
    if (!model.ok()) return model.status();
    if (request.make_default()) actions_.models->SetDefault(spec.name);
    Describe(*model, change->mutable_loaded());
    return absl::OkStatus();
  }

  absl::Status Swap(const v1::SwapModelRequest& request, v1::ModelChange* change) {
    if (request.name().empty()) return InvalidField("name", "it is empty");
    const auto model = actions_.manager->Swap({request.name(), request.directory(), request.precision()});
    if (!model.ok()) return model.status();
    Describe(*model, change->mutable_loaded());
    change->set_old_fingerprint((*model)->replaced_fingerprint);
    return absl::OkStatus();
  }

  void Describe(const ModelRef& model, v1::LoadedModel* out) const {
    Describe({.name = model->spec.name,
              .state = ModelState::kReady,
              .is_default = actions_.models->default_name() == model->spec.name,
              .reason = "",
              .directory = model->spec.directory,
              .model = model},
             out);
  }

  void Describe(const ModelStatus& status, v1::LoadedModel* out) const {
    SetModel(status, core_.limits, out->mutable_model());
    out->set_directory(status.directory);
    if (status.model == nullptr) return;
    out->set_memory_bytes(status.model->memory_bytes);
    out->set_load_ms(status.model->load_time.count());
    out->set_self_check(status.model->self_check);
  }

  const ServiceCore& core_;
  const AdminActions actions_;
  OpenCalls open_calls_;
};

AdminService::AdminService(const ServiceCore& core, AdminActions actions)
    : impl_(std::make_unique<Impl>(core, std::move(actions))) {}
AdminService::~AdminService() = default;

grpc::Service* AdminService::grpc_service() { return impl_.get(); }

}  // namespace attendant
