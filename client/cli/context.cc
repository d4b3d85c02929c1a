#include "client/cli/context.h"

namespace attendant::cli {

int ReportFailure(Context& context, ExitCode code, const std::string& message) {
  context.err << "attendant: " << message << std::endl;
  return code;
}

int ReportCallFailure(Context& context, const absl::Status& status) {
  const std::string name = absl::StatusCodeToString(status.code());
  const bool unreachable = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return ReportFailure(context, unreachable ? kExitUnreachable : kExitRefused,
                       name + ": " + std::string(status.message()));
}

}  // namespace attendant::cli
