// gRPC calls as bytes, for what the client library rightly keeps its users from doing: broken messages, not reading,
// cancelling at a chosen moment; and for statuses with all their machine-readable parts.
//
// No gRPC type appears here, so that tests need not compile its headers.
// Thread-safety: a RawCall belongs to one thread, but Cancel may come from any. Every wait is bounded.
#ifndef ATTENDANT_TESTS_INTEGRATION_RAW_CALLS_H_
#define ATTENDANT_TESTS_INTEGRATION_RAW_CALLS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace attendant {

inline constexpr std::chrono::seconds kLongEnough{30};

struct RawStatus {
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string message;
  std::vector<std::string> fields;  // of BadRequest's violations
  std::optional<std::chrono::milliseconds> retry_after;
};

class RawCall {
 public:
  // method: "Embed", or a path that starts with "/".
  RawCall(int port, const std::string& method, std::chrono::milliseconds timeout = kLongEnough);
  ~RawCall();  // cancels what is not finished

  // False: the transport did not take the message in time (it is still on its way), or the call is over.
  bool Send(const std::string& message, std::chrono::milliseconds wait = kLongEnough);
  void CloseSending();
  // Nothing: no message in time, or the call is over.
  std::optional<std::string> Read(std::chrono::milliseconds wait = kLongEnough);
  void Cancel();
  RawStatus Finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// One message there, one back.
struct RawReply {
  RawStatus status;
  std::string message;
};
RawReply RawUnary(int port, const std::string& method, const std::string& message,
                  std::chrono::milliseconds timeout = kLongEnough);

std::string EmbedMessage(const std::vector<std::string>& texts, const std::string& model = "");
std::string EmbedStreamMessage(const std::string& id, const std::vector<std::string>& texts);
std::string AttentionMessage(const std::string& text);
// An EmbedRequest whose options hold an enum value that nobody has defined.
std::string EmbedMessageWithUnknownPooling();
int CountResults(const std::string& embed_response);
std::string StreamResponseId(const std::string& embed_stream_response);

}  // namespace attendant

#endif  // ATTENDANT_TESTS_INTEGRATION_RAW_CALLS_H_
