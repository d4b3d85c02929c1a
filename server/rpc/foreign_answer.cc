#include "server/rpc/foreign_answer.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

// InvalidField puts the field before the description.
std::string DescriptionIn(std::string message, const std::string& field) {
  const std::string prefix = field + ": ";
  if (!field.empty() && absl::StartsWith(message, prefix)) message.erase(0, prefix.size());
  return message;
}

}  // namespace

absl::Status ToCallStatus(const v1::ItemStatus& status, const std::string& field) {
  const std::string message = DescriptionIn(status.message(), status.field());
  const auto code = static_cast<absl::StatusCode>(status.code());
  if (code != absl::StatusCode::kInvalidArgument) return {code, message};
  return InvalidField(absl::EndsWith(status.field(), "prompt_name") ? "prompt_name" : field, message);
}

absl::Status RenameField(const absl::Status& status, std::string_view native, const std::string& theirs) {
  if (!absl::IsInvalidArgument(status) || FieldOf(status) != native) return status;
  return InvalidField(theirs, DescriptionIn(std::string(status.message()), std::string(native)));
}

}  // namespace attendant
