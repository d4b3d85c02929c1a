// A running server: model, scheduler, services and listeners, put together from a ServerConfig; and its orderly end.
//
// It is not: the process; signals and exit codes are main's, so that tests can run several servers in one process.
// Thread-safety: Start, then any member from any thread; Drain once. The destructor ends at once what is still running.
#ifndef ATTENDANT_SERVER_SERVER_H_
#define ATTENDANT_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/models/served_model.h"
#include "server/scheduling/batch_runner.h"
#include "server/server_config.h"

namespace attendant {

// What does not come from the config.
struct ServerParts {
  // A model from somewhere else than config.models: fakes in tests.
  std::unique_ptr<ServedModel> model;
  std::unique_ptr<BatchRunner> runner;
  // Reads the settings again, for Reload; unset: they do not change.
  std::function<absl::StatusOr<ServerConfig>()> reread;
};

class Server {
 public:
  // Loads the models and starts serving; when it returns, the server is ready and health says so.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerConfig& config);
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerConfig& config, ServerParts parts);
  ~Server();

  int grpc_port() const;
  int http_port() const;     // 0 when there is no HTTP port
  int metrics_port() const;  // 0 when there is no metrics server
  int admin_port() const;    // 0 when there is no admin listener

  // Of the HTTP port, as "GET /path".
  std::vector<std::string> http_routes() const;

  // Reads keys and certificates again.
  void ReloadSecurity();
  // Reads keys, certificates and settings again and makes the models those that the settings say; calls under way are
  // not disturbed. Takes as long as loading does. What was done, or the failures; what has not failed is done all the
  // same.
  absl::StatusOr<std::vector<std::string>> Reload();

  // Health says NOT_SERVING; after the drain delay, in which calls are still accepted, new ones are refused and clients
  // are told to go elsewhere. Returns when all calls are finished, or cancelled at the drain timeout.
  void Drain();

 private:
  class Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SERVER_H_
