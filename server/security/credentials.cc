#include "server/security/credentials.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

absl::Status Refusal(absl::string_view what) {
  return absl::UnauthenticatedError(
      absl::StrCat(what, "; send one as \"authorization: Bearer KEY\" or \"x-api-key: KEY\""));
}

}  // namespace

absl::StatusOr<std::string> PresentedKey(const Credentials& credentials) {
  constexpr absl::string_view kBearer = "Bearer ";
  const size_t count = credentials.authorization.size() + credentials.api_key.size();
  if (count == 0) return Refusal("this server wants an API key");
  if (count > 1) return Refusal("there is more than one API key with the call");
  if (!credentials.api_key.empty()) return std::string(absl::StripAsciiWhitespace(credentials.api_key.front()));
  absl::string_view value = credentials.authorization.front();
  if (!absl::StartsWithIgnoreCase(value, kBearer)) return Refusal("the authorization is not a Bearer key");
  value.remove_prefix(kBearer.size());
  return std::string(absl::StripAsciiWhitespace(value));
}

absl::Status NoValidKey() { return Refusal("the API key is not valid"); }

}  // namespace attendant
