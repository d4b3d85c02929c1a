// The grpc::Server: listening, keepalive, sizes, health, reflection, GOAWAY and the end.
//
// It is not: the services' logic. Thread-safety: Start, then any member from any thread; Shutdown once.
// Ownership: borrows the services, which must outlive it.
#ifndef ATTENDANT_SERVER_GRPC_ENDPOINT_H_
#define ATTENDANT_SERVER_GRPC_ENDPOINT_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/rpc/endpoint_service.h"

namespace attendant {

class TlsStore;

struct GrpcEndpointOptions {
  std::string address;  // HOST:PORT, [IPv6]:PORT or unix:PATH; port 0 takes a free one
  int64_t max_message_bytes = 0;
  // That gRPC itself may use for buffers before it pushes back; when the heap grows by more than this all the same, the
  // connections that send most are cut off.
  int64_t memory_bytes = 0;
  int32_t max_concurrent_streams = 0;
  std::chrono::milliseconds max_connection_age{0};  // 0: unlimited
  std::chrono::milliseconds max_connection_age_grace{0};
  TlsStore* tls = nullptr;  // nullptr: no TLS; must outlive the endpoint
  bool reflection = false;
};

class GrpcEndpoint {
 public:
  // An address that is malformed or taken is an error that names it and says why. Not serving yet in health's eyes.
  static absl::StatusOr<std::unique_ptr<GrpcEndpoint>> Start(const GrpcEndpointOptions& options,
                                                             const std::vector<EndpointService>& services);
  ~GrpcEndpoint();

  int port() const;
  void SetServing(bool serving);
  // Tells clients to go (GOAWAY), refuses new calls, waits for those under way; cancels them when the time is over.
  void Shutdown(std::chrono::steady_clock::time_point until);

 private:
  class Impl;
  explicit GrpcEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_GRPC_ENDPOINT_H_
