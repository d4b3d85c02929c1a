// The loop behind Client::EmbedAll: fills batches, keeps a window of them in flight, survives refusals and reconnects.
//
//   source -> [batch] -> window -> stream -> answers -> window -> sink (input order)
//
// - A refused batch (RESOURCE_EXHAUSTED or UNAVAILABLE) is sent again after the server's hint; meanwhile nothing is
//   sent, and the number in flight is halved; it grows again by one with each answer.
// - A broken stream is opened again after a backoff; what was sent and not answered is sent again. Embedding has no
//   side effects, so doing it twice is safe.
// - It gives up when nothing was answered for progress_timeout, or when max_attempts streams in a row broke before the
//   first answer ever came (the server is not there), or with an error that would meet every batch alike.
// - Answers of two different model fingerprints are an error: such vectors must not be mixed.
//
// It is not: thread-safe; one Run on one thread. Clock and streams come from outside, so tests need neither.
#ifndef ATTENDANT_CLIENT_LIB_BULK_EMBEDDER_H_
#define ATTENDANT_CLIENT_LIB_BULK_EMBEDDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/lib/bulk.h"
#include "client/lib/bulk_window.h"
#include "client/lib/clock.h"
#include "client/lib/embed_stream.h"
#include "client/lib/retry.h"

namespace attendant::client {

// What the loop needs from outside. open_stream makes a new stream (connecting happens later; failures come as events).
struct BulkEnvironment {
  std::function<std::unique_ptr<EmbedStream>()> open_stream;
  Clock* clock = nullptr;
  RetryPolicy retry;
  uint64_t seed = 0;
  // The smallest of what client and server accept; <= 0: unknown.
  int64_t max_message_bytes = 0;
  int32_t bytes_per_vector = 0;  // of one output vector; 0: unknown
  int32_t max_tokens = 0;        // of one item; 0: unknown
};

class BulkEmbedder {
 public:
  BulkEmbedder(BulkEnvironment environment, const BulkOptions& options, const ItemSource& source,
               const ResultSink& sink);

  absl::StatusOr<BulkSummary> Run();

 private:
  absl::Status Deliver();
  void EndStream();
  void FillOneBatch();
  void SendOne();
  void WaitForEvent();
  SteadyTime NextWakeUp(SteadyTime now) const;
  absl::Status CheckTimeouts();
  void OnResponse(StreamEvent event);
  void OnRefused(BulkWindow::Batch* batch, const absl::Status& status);
  void OnAnswered(BulkWindow::Batch* batch, EmbedReply reply);
  void OnClosed(const absl::Status& status);
  int64_t BatchBytes(const Item& item) const;
  bool CanSendNow(SteadyTime now) const;

  const BulkEnvironment environment_;
  const BulkOptions options_;
  const ItemSource& source_;
  const ResultSink& sink_;

  BulkWindow window_;
  Backoff refusal_backoff_;
  Backoff connect_backoff_;
  std::unique_ptr<EmbedStream> stream_;
  std::optional<absl::StatusOr<Item>> carried_;  // read from the source, did not fit in the last batch
  bool source_done_ = false;
  int32_t allowed_in_flight_;
  bool answered_once_ = false;
  SteadyTime deadline_;
  SteadyTime last_progress_;
  SteadyTime send_after_;  // after a refusal
  SteadyTime open_after_;  // after a broken stream
  absl::Status last_trouble_;
  absl::Status fatal_;
  BulkSummary summary_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_BULK_EMBEDDER_H_
