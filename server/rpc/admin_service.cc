#include "server/rpc/admin_service.h"

#include <grpcpp/support/server_callback.h>

#include <utility>

#include "attendant/v1/admin.grpc.pb.h"
#include "server/observability/logging.h"
#include "server/rpc/conversion.h"
#include "server/rpc/raw_service.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/unary_call.h"
#include "server/rpc/work_pool.h"

namespace attendant {
class AdminService::Impl final : public RawService<v1::AdminService::Service> {
 public:
  Impl(const ServiceCore& core, AdminActions actions)
      : RawService(full_name()), core_(core), actions_(std::move(actions)), open_calls_(core.limits.write_timeout) {
    Serve<v1::LoadModelRequest, v1::ModelChange>("LoadModel", RpcMethod::kLoadModel,
                                                 [this](const auto& load, auto* change) { return Load(load, change); });
    Serve<v1::SwapModelRequest, v1::ModelChange>("SwapModel", RpcMethod::kSwapModel,
                                                 [this](const auto& swap, auto* change) { return Swap(swap, change); });
    Serve<v1::UnloadModelRequest, v1::UnloadModelResponse>("UnloadModel", RpcMethod::kUnloadModel,
                                                           [this](const auto& unload, auto*) {
                                                             if (unload.name().empty())
                                                               return InvalidField("name", "it is empty");
                                                             return actions_.manager->Unload(unload.name());
                                                           });
    Serve<v1::ReloadConfigRequest, v1::ReloadConfigResponse>(
        "ReloadConfig", RpcMethod::kReloadConfig, [this](const auto&, auto* answer) { return Reload(answer); });
    Serve<v1::ListLoadedModelsRequest, v1::ListLoadedModelsResponse>(
        "ListLoadedModels", RpcMethod::kListLoadedModels, [this](const auto&, auto* answer) {
          for (const ModelStatus& status : actions_.models->List()) Describe(status, answer->add_models());
          return absl::OkStatus();
        });
  }

 private:
  // action: absl::Status(const Request&, Response*), on one of the pool's threads. How a change ended is in the log.
  template <typename Request, typename Response, typename Action>
  void Serve(const char* name, RpcMethod method, Action action) {
    ServeUnary(name, [this, method, action](Context* context, const Bytes* bytes, Bytes* answer) {
      return Start<Request, Response>(method, context, bytes, answer, action);
    });
  }

  template <typename Request, typename Response, typename Action>
  grpc::ServerUnaryReactor* Start(RpcMethod method, Context* context, const Bytes* bytes, Bytes* answer,
                                  Action action) {
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

  absl::Status Reload(v1::ReloadConfigResponse* answer) {
    auto changes = actions_.reload();
    if (!changes.ok()) return changes.status();
    for (std::string& change : *changes) answer->add_changes(std::move(change));
    return absl::OkStatus();
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
