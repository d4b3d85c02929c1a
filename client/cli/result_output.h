// Where embeddings go: a .npy file, JSON lines, a table.
//
// Results come in input order, failed ones included; nothing is kept in memory. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_RESULT_OUTPUT_H_
#define ATTENDANT_CLIENT_CLI_RESULT_OUTPUT_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/lib/types.h"

namespace attendant::cli {

class ResultOutput {
 public:
  virtual ~ResultOutput() = default;
  // number: of the item's line or argument.
  virtual absl::Status Write(int64_t number, const client::EmbedResult& result) = 0;
  virtual absl::Status Finish() = 0;
  // When the call broke off: keeps what there is, and says where; "" when there is nothing to say.
  virtual std::string Abandon() { return ""; }
};

// One row an item; NaN where it failed. Per token: the tokens' rows end to end, and FILE.offsets.npy (int64, items + 1)
// tells where each item's begin; a failed item has none. fallback_columns: used when no item at all succeeded.
absl::StatusOr<std::unique_ptr<ResultOutput>> NewNpyOutput(const std::string& path, client::Output kind,
                                                           int64_t fallback_columns);

// {"line": 3, "embedding": [...], "tokens": 12, "dropped": 0}, or {"line": 3, "embedding": null, "error": {...}}.
absl::StatusOr<std::unique_ptr<ResultOutput>> NewJsonLinesFile(const std::string& path);
std::unique_ptr<ResultOutput> NewJsonLinesOutput(std::ostream& out);
// For people: number, tokens, length, the first values.
std::unique_ptr<ResultOutput> NewTableOutput(std::ostream& out, int columns);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_RESULT_OUTPUT_H_
