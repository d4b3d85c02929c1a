// A connection to the admin listener of an Attendant server (--admin-address): changes its models while it runs.
//
// Nothing is tried again: a change is made once, and whoever asked for it should hear how it ended. Loading takes
// seconds, so ClientOptions::default_timeout should be long. Thread-safety: every member from any thread at once.
#ifndef ATTENDANT_CLIENT_LIB_ADMIN_H_
#define ATTENDANT_CLIENT_LIB_ADMIN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/client.h"
#include "client/lib/types.h"

namespace attendant::client {

struct LoadRequest {
  std::string directory{};  // on the server's file system
  std::string name{};       // empty: the directory's own
  std::string precision{};  // empty: the server's
  double weight = 0;        // 0: the server's
  int64_t max_queued_tokens = 0;
  bool make_default = false;
};

struct SwapRequest {
  std::string name{};
  std::string directory{};  // empty: the present one, read again
  std::string precision{};  // empty: the present one
};

struct LoadedModel {
  ModelInfo model;
  std::string directory;
  int64_t memory_bytes = 0;
  int64_t load_ms = 0;
  std::string self_check;
};

struct ModelChange {
  LoadedModel loaded;
  std::string old_fingerprint;  // of the model that was replaced
};

class AdminClient {
 public:
  // Connects lazily. target, key, TLS and timeout of the options count. INVALID_ARGUMENT for contradictory ones.
  static absl::StatusOr<std::unique_ptr<AdminClient>> Create(const ClientOptions& options);
  ~AdminClient();

  absl::StatusOr<ModelChange> Load(const LoadRequest& request);
  absl::StatusOr<ModelChange> Swap(const SwapRequest& request);
  absl::Status Unload(const std::string& name);
  // What was done, in words.
  absl::StatusOr<std::vector<std::string>> Reload();
  absl::StatusOr<std::vector<LoadedModel>> List();

 private:
  class Impl;
  explicit AdminClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_ADMIN_H_
