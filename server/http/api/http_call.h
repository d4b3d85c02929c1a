// A request of an HTTP door on its way through the chain that every door has (rpc/call_chain.h), and back as an answer.
//
// A door is a function from a call to an answer, and a function from a status to its protocol's words for it; what all
// doors do alike is here, once: facts and deadline from the head, refusals before the body is read, memory, waiting for
// the flow while watching whether the caller is still there, metrics, retry hints.
// It is not: any protocol. No gRPC. Thread-safety: a call belongs to the thread that serves its request.
#ifndef ATTENDANT_SERVER_HTTP_API_HTTP_CALL_H_
#define ATTENDANT_SERVER_HTTP_API_HTTP_CALL_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/http/http_message.h"
#include "server/rpc/call_chain.h"
#include "server/rpc/service_core.h"

namespace attendant {

// What the doors share.
struct HttpDoorCore {
  const ServiceCore* core = nullptr;
  int64_t max_body_bytes = 0;
};

// In milliseconds: the caller's deadline for a request, as gRPC has one by itself.
inline constexpr char kTimeoutHeader[] = "X-Request-Timeout-Ms";

class HttpCall {
 public:
  HttpCall(const HttpDoorCore& door, RpcMethod method, HttpRequest* request);

  // Anything but OK ends the call: it must go no further.
  const absl::Status& admitted() const { return admitted_; }
  const ServiceCore& core() const { return *door_.core; }
  const CallContext& context() const { return context_; }
  const HttpRequest& request() const { return *request_; }

  // The body, its memory reserved; once.
  absl::StatusOr<std::string> ReadBody();
  absl::Status Reserve(int64_t bytes) { return attendant::Reserve(bytes, context().reservation.get()); }

  // Runs a flow and waits for its outcome; the flow is cancelled when the caller goes.
  template <typename Response>
  Outcome<Response> Run(const std::function<void(Done<Response>)>& flow) {
    std::optional<Outcome<Response>> result;
    Wait([&](const std::function<void()>& finished) {
      flow([&result, finished](Outcome<Response> outcome) {
        result.emplace(std::move(outcome));
        finished();
      });
    });
    return *std::move(result);
  }

  void Record(const absl::Status& status, const CallReport& report) { chain_.Record(status, report); }

 private:
  void Wait(const std::function<void(std::function<void()> finished)>& start);

  const HttpDoorCore& door_;
  HttpRequest* const request_;
  const std::shared_ptr<CancelToken> cancel_;
  absl::Status admitted_;
  CallChain chain_;
  // The chain's, and whoever looks a model up for this call finds the same one.
  CallContext context_;
};

// How a door's work on a call ended. response: with status OK.
struct HttpOutcome {
  absl::Status status;
  CallReport report;
  HttpResponse response;
};

using HttpDoor = std::function<HttpOutcome(HttpCall&)>;
// A status that is not OK in the words of the door's protocol. Retry hints are added to what it makes.
using HttpErrorWriter = std::function<HttpResponse(const absl::Status&)>;

// The handler of a door. core: outlives it.
HttpHandler ThroughChain(const HttpDoorCore& core, RpcMethod method, HttpDoor door, HttpErrorWriter error);

// 400 for INVALID_ARGUMENT, 429 for RESOURCE_EXHAUSTED, ...: what all doors answer unless their protocol says
// otherwise.
int HttpStatusOf(const absl::Status& status);

inline HttpResponse JsonResponse(std::string body, Compression compression = Compression::kIfWanted) {
  return {.content_type = "application/json", .body = std::move(body), .compression = compression};
}

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_HTTP_CALL_H_
