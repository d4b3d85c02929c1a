// One line of a JSON lines file as an item to embed.
//
//   {"text": "..."}    {"pair": ["...", "..."]}    {"ids": [101, 7592, 102], "type_ids": [...], "add_special_tokens":
//   true}
//
// Exactly one of text, pair and ids; other keys are ignored (files carry ids and titles of their own).
// Thread-safety: a pure function.
#ifndef ATTENDANT_CLIENT_CLI_JSON_ITEM_H_
#define ATTENDANT_CLIENT_CLI_JSON_ITEM_H_

#include <string>

#include "absl/status/statusor.h"
#include "client/lib/types.h"

namespace attendant::cli {

// INVALID_ARGUMENT says what is wrong and where in the line.
absl::StatusOr<client::Item> ParseJsonItem(const std::string& line);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_JSON_ITEM_H_
