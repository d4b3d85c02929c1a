// What the files that do include gRPC share: channel settings and deadlines.
//
// Not part of the library's public face. Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_LIB_GRPC_SUPPORT_H_
#define ATTENDANT_CLIENT_LIB_GRPC_SUPPORT_H_

#include <grpc/support/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "attendant/v1/embedding.grpc.pb.h"
#include "client/lib/client.h"

namespace attendant::client {

// On gRPC's monotonic clock, so that a step of the wall clock neither ends nor prolongs a call.
inline gpr_timespec ToGrpcTime(SteadyTime time) {
  if (time == SteadyTime::max()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(time - std::chrono::steady_clock::now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(left.count(), GPR_TIMESPAN));
}

// What every call but health's carries. A call without a key has an empty one.
inline void SetUpCall(const std::string& api_key, SteadyTime deadline, grpc::ClientContext* context) {
  context->set_deadline(ToGrpcTime(deadline));
  if (!api_key.empty()) context->AddMetadata("authorization", "Bearer " + api_key);
}

// An error for settings that gRPC would take, and then fail or die of with the first call.
absl::Status CheckCredentials(const ClientOptions& options);
// Plain, or TLS as the options say.
std::shared_ptr<grpc::ChannelCredentials> NewCredentials(const TlsOptions& options);

// Makes a stream whose call has this deadline; where opens its error messages.
std::unique_ptr<EmbedStream> NewEmbedStream(v1::EmbeddingService::Stub* stub, SteadyTime deadline, std::string where,
                                            const std::string& api_key);

absl::StatusOr<ServingStatus> CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                                          SteadyTime deadline, const std::string& where);

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_GRPC_SUPPORT_H_
