// grpc.health.v1.Health: readiness of the server as a whole ("") and of each service by name.
//
// gRPC has one of its own; ours can end its Watch streams, which otherwise hold up every shutdown, and is seen by
// reflection. Thread-safety: every member from any thread. It must outlive the grpc::Server.
#ifndef ATTENDANT_SERVER_RPC_HEALTH_SERVICE_H_
#define ATTENDANT_SERVER_RPC_HEALTH_SERVICE_H_

#include <memory>
#include <vector>

#include "server/rpc/endpoint_service.h"

namespace attendant {

class HealthService {
 public:
  // NOT_SERVING at first. services: those that are known besides "".
  explicit HealthService(const std::vector<EndpointService>& services);
  ~HealthService();

  grpc::Service* grpc_service();

  // Of all names together, but for those not offered; Watch streams hear of it.
  void SetServing(bool serving);
  // Ends the Watch streams, open and new, with UNAVAILABLE.
  void EndWatches();

  static const char* full_name() { return "grpc.health.v1.Health"; }

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_HEALTH_SERVICE_H_
