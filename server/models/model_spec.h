// Which model to load, under which name and with which settings: as the command line and the admin service say it.
//
// Thread-safety: plain data and pure functions.
#ifndef ATTENDANT_SERVER_MODELS_MODEL_SPEC_H_
#define ATTENDANT_SERVER_MODELS_MODEL_SPEC_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/scheduling/model_runtime.h"

namespace attendant {

struct ModelSpec {
  std::string name;  // what clients call it
  std::string directory;
  std::string precision;  // empty: the server's (--precision)
  ModelQuota quota;
};

// "DIR" or "NAME=DIR", then settings: ",precision=int8", ",weight=2", ",max-queued-tokens=4096". A directory with '='
// in it starts with / or ./; one with ",word=" in it cannot be written. Without a name it is the directory's own.
absl::StatusOr<ModelSpec> ParseModelSpec(std::string_view text);

// The last part of the path.
std::string DirectoryName(const std::string& directory);

// INVALID_ARGUMENT unless it is 1 to 128 bytes without control characters.
absl::Status CheckName(std::string_view name);
// "", or a precision of the engine's.
absl::Status CheckPrecision(std::string_view precision);
absl::Status CheckQuota(const ModelQuota& quota);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_MODEL_SPEC_H_
