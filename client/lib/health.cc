// The client's side of grpc.health.v1.
#include <grpcpp/grpcpp.h>

#include "client/lib/errors.h"
#include "client/lib/grpc_support.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace attendant::client {
namespace {

namespace health = grpc::health::v1;

ServingStatus FromWire(int status) {
  switch (status) {
    case health::HealthCheckResponse::SERVING:
      return ServingStatus::kServing;
    case health::HealthCheckResponse::NOT_SERVING:
      return ServingStatus::kNotServing;
    case health::HealthCheckResponse::SERVICE_UNKNOWN:
      return ServingStatus::kServiceUnknown;
    default:
      return ServingStatus::kUnknown;
  }
}

}  // namespace

absl::StatusOr<ServingStatus> CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                                          SteadyTime deadline, const std::string& where) {
  grpc::ClientContext context;
  context.set_deadline(ToGrpcTime(deadline));
  health::HealthCheckRequest request;
  request.set_service(service);
  health::HealthCheckResponse response;
  const grpc::Status status = health::Health::NewStub(channel)->Check(&context, request, &response);
  if (!status.ok()) return FromGrpc(status, where);
  return FromWire(response.status());
}

}  // namespace attendant::client
