#include "client/lib/admin.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "attendant/v1/admin.grpc.pb.h"
#include "client/lib/errors.h"
#include "client/lib/grpc_support.h"
#include "client/lib/wire.h"

namespace attendant::client {
namespace {

LoadedModel FromWire(const v1::LoadedModel& wire) {
  return {client::FromWire(wire.model()), wire.directory(), wire.memory_bytes(), wire.load_ms(), wire.self_check()};
}

ModelChange FromWire(const v1::ModelChange& wire) { return {FromWire(wire.loaded()), wire.old_fingerprint()}; }

}  // namespace

class AdminClient::Impl {
 public:
  explicit Impl(const ClientOptions& options) : options_(options) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    if (!options.tls.server_name.empty()) arguments.SetSslTargetNameOverride(options.tls.server_name);
    stub_ =
        v1::AdminService::NewStub(grpc::CreateCustomChannel(options.target, NewCredentials(options.tls), arguments));
  }

  template <typename Request, typename Response>
  absl::Status Call(const char* name,
                    grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response* response) {
    grpc::ClientContext context;
    SetUpCall(options_.api_key, std::chrono::steady_clock::now() + options_.default_timeout, &context);
    return FromGrpc((stub_.get()->*method)(&context, request, response), absl::StrCat(name, " at ", options_.target));
  }

 private:
  const ClientOptions options_;
  std::unique_ptr<v1::AdminService::Stub> stub_;
};

AdminClient::AdminClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminClient::~AdminClient() = default;

absl::StatusOr<std::unique_ptr<AdminClient>> AdminClient::Create(const ClientOptions& options) {
  if (options.target.empty()) return absl::InvalidArgumentError("target is empty; it should be HOST:PORT");
  if (absl::Status status = CheckCredentials(options); !status.ok()) return status;
  return std::unique_ptr<AdminClient>(new AdminClient(std::make_unique<Impl>(options)));
}

absl::StatusOr<ModelChange> AdminClient::Load(const LoadRequest& request) {
  v1::LoadModelRequest wire;
  wire.set_name(request.name);
  wire.set_directory(request.directory);
  wire.set_precision(request.precision);
  wire.set_weight(request.weight);
  wire.set_max_queued_tokens(request.max_queued_tokens);
  wire.set_make_default(request.make_default);
  v1::ModelChange response;
  absl::Status status = impl_->Call("LoadModel", &v1::AdminService::Stub::LoadModel, wire, &response);
  if (!status.ok()) return status;
  return FromWire(response);
}

absl::StatusOr<ModelChange> AdminClient::Swap(const SwapRequest& request) {
  v1::SwapModelRequest wire;
  wire.set_name(request.name);
  wire.set_directory(request.directory);
  wire.set_precision(request.precision);
  v1::ModelChange response;
  absl::Status status = impl_->Call("SwapModel", &v1::AdminService::Stub::SwapModel, wire, &response);
  if (!status.ok()) return status;
  return FromWire(response);
}

absl::Status AdminClient::Unload(const std::string& name) {
  v1::UnloadModelRequest wire;
  wire.set_name(name);
  v1::UnloadModelResponse response;
  return impl_->Call("UnloadModel", &v1::AdminService::Stub::UnloadModel, wire, &response);
}

absl::StatusOr<std::vector<std::string>> AdminClient::Reload() {
  v1::ReloadConfigResponse response;
  absl::Status status =
      impl_->Call("ReloadConfig", &v1::AdminService::Stub::ReloadConfig, v1::ReloadConfigRequest(), &response);
  if (!status.ok()) return status;
  return std::vector<std::string>(response.changes().begin(), response.changes().end());
}

absl::StatusOr<std::vector<LoadedModel>> AdminClient::List() {
  v1::ListLoadedModelsResponse response;
  absl::Status status = impl_->Call("ListLoadedModels", &v1::AdminService::Stub::ListLoadedModels,
                                    v1::ListLoadedModelsRequest(), &response);
  if (!status.ok()) return status;
  std::vector<LoadedModel> models;
  for (const v1::LoadedModel& model : response.models()) models.push_back(FromWire(model));
  return models;
}

}  // namespace attendant::client
