// Bulk embedding: what the caller of EmbedAll says and gets.
//
// Thread-safety: source and sink are called on the thread that called EmbedAll, never at the same time.
#ifndef ATTENDANT_CLIENT_LIB_BULK_H_
#define ATTENDANT_CLIENT_LIB_BULK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/lib/types.h"

namespace attendant::client {

// The next item; an error for an item that could not even be read (it keeps its place and its result has that status);
// nullopt at the end. May block: what is in flight goes on meanwhile, but results wait.
using ItemSource = std::function<std::optional<absl::StatusOr<Item>>()>;

// Results of consecutive items, in input order; the first is that of item first_index (from 0). An error ends EmbedAll.
using ResultSink = std::function<absl::Status(int64_t first_index, std::vector<EmbedResult> results)>;

struct BulkOptions {
  EmbedOptions embed{};
  // A batch is closed at whichever comes first; both are lowered to what the server's limits allow.
  int32_t max_batch_items = 32;
  int64_t max_batch_bytes = 1 << 20;  // of request or response, whichever is larger
  // Batches sent and not answered. Memory is bounded by four times as many (answered ones may wait for an earlier one).
  int32_t max_in_flight = 8;
  // With work in flight and no answer for this long the whole thing fails; it bounds every wait.
  Milliseconds progress_timeout{60'000};
  std::optional<Milliseconds> timeout{};  // for everything together; unset: as long as there is progress
};

struct BulkSummary {
  int64_t items = 0;
  int64_t failed_items = 0;
  int64_t tokens_used = 0;
  int64_t tokens_dropped = 0;
  int64_t batches = 0;
  int64_t resent_batches = 0;  // after a refusal or a broken stream
  int64_t reconnects = 0;
  std::string model;
  std::string model_fingerprint;
  CallMetadata cost;  // sums over all batches (batch_items and batch_tokens: maxima), with embed.include_metadata
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_BULK_H_
