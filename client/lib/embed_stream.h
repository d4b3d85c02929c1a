// One EmbedStream call, as a single-threaded conversation: send when it has room, wait for the next event.
//
// It is the transport only: no batching, no order, no retry (see BulkEmbedder). It is an interface so that those can
// be tested without a network; Client::OpenStream makes the real one.
// Thread-safety: one thread at a time. Destroying a stream cancels it; nothing then runs any more.
#ifndef ATTENDANT_CLIENT_LIB_EMBED_STREAM_H_
#define ATTENDANT_CLIENT_LIB_EMBED_STREAM_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/lib/types.h"

namespace attendant::client {

struct StreamEvent {
  enum class Kind {
    kTimeout,   // nothing happened before the given time
    kWritable,  // the last Send was taken by the transport; CanSend is true
    kResponse,  // id, status and reply are set
    kClosed,    // the call is over; status says why (OK: the server ended it). No event follows.
  };
  Kind kind = Kind::kTimeout;
  std::string id;
  absl::Status status;  // of the request as a whole; carries the server's hint (see RetryAfter)
  EmbedReply reply;     // when status is OK
};

class EmbedStream {
 public:
  virtual ~EmbedStream() = default;

  virtual bool CanSend() const = 0;
  // Precondition: CanSend().
  virtual void Send(const std::string& id, const std::vector<const Item*>& items, const EmbedOptions& options) = 0;
  // No more Sends; the server ends the call when it has answered everything. Precondition: CanSend().
  virtual void CloseSending() = 0;
  virtual StreamEvent Next(SteadyTime until) = 0;
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_EMBED_STREAM_H_
