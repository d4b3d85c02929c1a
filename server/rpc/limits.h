// What one request may ask for. Every limit has a server flag of the same name, which the refusals mention.
//
// It is not: the queue's limits; those are SchedulerOptions. Plain data; immutable once the server runs.
#ifndef ATTENDANT_SERVER_RPC_LIMITS_H_
#define ATTENDANT_SERVER_RPC_LIMITS_H_

#include <chrono>
#include <cstdint>

namespace attendant {

struct RequestLimits {
  int32_t max_items_per_request = 1024;
  int32_t max_text_bytes = 1 << 20;         // of one item: a text, both texts of a pair, or ids at 4 bytes each
  int32_t max_prompt_bytes = 4096;          // of a prompt_text; it is tokenised again with every item
  int32_t max_tokens_per_item = 0;          // longer items are too long for the model; 0: the model's own maximum
  int32_t max_windows_per_item = 256;       // of TRUNCATION_WINDOW
  int32_t max_spans_per_item = 512;         // of OUTPUT_SPANS
  int64_t max_message_bytes = 32 << 20;     // of a request, and of an Embed response
  int64_t max_attention_bytes = 64 << 20;   // of one GetAttention result
  int64_t max_pending_bytes = 256 << 20;    // requests and results of all calls that are under way together
  int32_t max_in_flight_per_stream = 32;    // requests of one EmbedStream that have no written answer yet
  bool allow_untrained_dimensions = false;  // vectors of models that were not trained for it may be cut, too
  std::chrono::milliseconds default_timeout{60'000};  // of a call that comes without a deadline; 0: none
  std::chrono::milliseconds write_timeout{30'000};    // for a caller to take a piece of its answer; 0: none
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_LIMITS_H_
