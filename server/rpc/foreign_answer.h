// What the doors of other protocols share: native failures in their words.
//
// Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_FOREIGN_ANSWER_H_
#define ATTENDANT_SERVER_RPC_FOREIGN_ANSWER_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "attendant/v1/embedding.pb.h"

namespace attendant {

// The status of an item, in a protocol where an item cannot fail alone. field: what that protocol calls the input;
// prompts keep their name.
absl::Status ToCallStatus(const v1::ItemStatus& status, const std::string& field);

// An INVALID_ARGUMENT about one field of the native message, about another's; every other status as it is.
absl::Status RenameField(const absl::Status& status, std::string_view native, const std::string& theirs);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_FOREIGN_ANSWER_H_
