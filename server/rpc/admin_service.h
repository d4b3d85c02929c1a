// attendant.v1.AdminService: models changed at run time. Thin flows on ModelManager, behind the same chain as every
// other door.
//
// Loading takes seconds, so flows run on the core's pool, which must be one of the service's own: a change may hold one
// of its threads, and whoever asks for a second one meanwhile is told so by another.
// Thread-safety: gRPC calls it from any of its threads. What it borrows must outlive it; it must outlive the
// grpc::Server.
#ifndef ATTENDANT_SERVER_RPC_ADMIN_SERVICE_H_
#define ATTENDANT_SERVER_RPC_ADMIN_SERVICE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/model_manager.h"
#include "server/rpc/service_core.h"

namespace grpc {
class Service;
}

namespace attendant {

struct AdminActions {
  ModelManager* manager = nullptr;
  ModelRegistry* models = nullptr;
  // Reads the configuration again; what was done, for people.
  std::function<absl::StatusOr<std::vector<std::string>>()> reload;
};

class AdminService {
 public:
  AdminService(const ServiceCore& core, AdminActions actions);
  ~AdminService();

  grpc::Service* grpc_service();

  static const char* full_name() { return "attendant.v1.AdminService"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_ADMIN_SERVICE_H_
