// The batches between source and sink: which to send, which to send again, which may be delivered.
//
// A batch is waiting (not sent, or to be sent again), sent, or finished. Batches enter at the back and leave at the
// front once finished, so results come out in input order; the window's capacity bounds memory however long one batch
// takes. All answers are matched by the batch's id; an answer for a batch that is not in the state "sent" is reported.
// It is not: a transport, a clock or a policy; those are BulkEmbedder's.
// Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_LIB_BULK_WINDOW_H_
#define ATTENDANT_CLIENT_LIB_BULK_WINDOW_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/types.h"

namespace attendant::client {

class BulkWindow {
 public:
  struct Batch {
    int64_t id = 0;
    int64_t first_index = 0;
    std::vector<absl::StatusOr<Item>> items;  // those with an error are never sent
    std::vector<EmbedResult> results;         // when finished
    int attempts = 0;
    enum class State { kWaiting, kSent, kFinished } state = State::kWaiting;
  };

  explicit BulkWindow(int32_t capacity) : capacity_(capacity) {}

  bool HasRoom() const { return static_cast<int32_t>(batches_.size()) < capacity_; }
  bool empty() const { return batches_.empty(); }
  int32_t sent() const { return sent_; }
  bool HasWaiting() const { return FindWaiting() != nullptr; }

  // Takes a batch of items; one without a single good item is finished at once. Precondition: HasRoom().
  void Add(std::vector<absl::StatusOr<Item>> items);

  // The oldest waiting batch becomes sent. Null when none is waiting.
  Batch* TakeToSend();

  // The sent batch with this id; null when there is none.
  Batch* FindSent(int64_t id);

  // results: one per good item, in their order. Errors of the others are put in their places.
  // Precondition: batch is sent and the count is right.
  void Finish(Batch* batch, std::vector<EmbedResult> results);
  // Every good item gets this status.
  void FinishWithError(Batch* batch, const absl::Status& status);

  // The batch is to be sent again.
  void ReturnToWaiting(Batch* batch);
  void ReturnAllSentToWaiting();

  // The front batch if it is finished; it leaves the window.
  std::optional<Batch> TakeFinished();

  static int64_t CountGood(const Batch& batch);

 private:
  const Batch* FindWaiting() const;

  int32_t capacity_;
  int32_t sent_ = 0;
  int64_t next_id_ = 0;
  int64_t next_index_ = 0;
  std::deque<Batch> batches_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_BULK_WINDOW_H_
