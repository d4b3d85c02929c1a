// The API key that came with a call, whatever carried it: "authorization: Bearer KEY" or "x-api-key: KEY".
//
// It is not: the judgement whether it is valid; that is ApiKeys'. Thread-safety: plain data and a pure function.
#ifndef ATTENDANT_SERVER_SECURITY_CREDENTIALS_H_
#define ATTENDANT_SERVER_SECURITY_CREDENTIALS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace attendant {

// The values of the headers (HTTP) or metadata (gRPC) of these names, as they came.
struct Credentials {
  std::vector<std::string> authorization;
  std::vector<std::string> api_key;
};

// UNAUTHENTICATED says what is wrong and how to send a key. More than one would leave open whose call it is.
absl::StatusOr<std::string> PresentedKey(const Credentials& credentials);

// The same words for a key that was presented, but is not one.
absl::Status NoValidKey();

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_CREDENTIALS_H_
