#include "server/http/api/http_call.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

// Far beyond any call, and far from the end of the steady clock's numbers.
constexpr int64_t kMaxTimeoutMs = 10LL * 365 * 24 * 3600 * 1000;

absl::StatusOr<std::optional<SteadyTime>> DeadlineOf(const HttpRequest& request) {
  const std::string text = request.Header(kTimeoutHeader);
  if (text.empty()) return std::nullopt;
  int64_t timeout_ms = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), timeout_ms);
  const bool whole = end == text.data() + text.size();
  if (error != std::errc() || !whole || timeout_ms <= 0 || timeout_ms > kMaxTimeoutMs) {
    return InvalidField(kTimeoutHeader, absl::StrCat(Quoted(text), " is not a number of milliseconds from 1 up"));
  }
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
}

CallFacts FactsOf(const HttpRequest& request, std::shared_ptr<CancelToken> cancel, absl::Status* status) {
  const auto deadline = DeadlineOf(request);
  *status = deadline.status();
  return {.peer = request.peer(),
          .credentials = request.credentials(),
          .deadline = deadline.ok() ? *deadline : std::nullopt,
          .cancel = std::move(cancel)};
}

void AddRetryHint(const absl::Status& status, HttpResponse* response) {
  const auto delay = RetryAfterOf(status);
  if (delay.count() <= 0) {
    // OpenAI's clients would try again by themselves.
    if (absl::IsResourceExhausted(status)) response->headers.emplace_back("x-should-retry", "false");
    return;
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(delay).count();
  response->headers.emplace_back("Retry-After", std::to_string(seconds));
  response->headers.emplace_back("retry-after-ms", std::to_string(delay.count()));
}

}  // namespace

HttpCall::HttpCall(const HttpDoorCore& door, RpcMethod method, HttpRequest* request)
    : door_(door),
      request_(request),
      cancel_(std::make_shared<CancelToken>()),
      chain_(*door.core, method, FactsOf(*request, cancel_, &admitted_)),
      context_(chain_.context()) {
  context_.models = std::make_shared<StreamModels>();
  // Who may not call at all learns nothing else.
  if (!chain_.admitted().ok()) admitted_ = chain_.admitted();
}

absl::StatusOr<std::string> HttpCall::ReadBody() {
  return request_->ReadBody({.max_bytes = door_.max_body_bytes,
                             .flag = "--http-max-body-bytes",
                             .reserve = [this](int64_t bytes) { return Reserve(bytes); }});
}

void HttpCall::Wait(const std::function<void(std::function<void()> finished)>& start) {
  request_->Await(start, [this] { cancel_->Cancel(); });
}

HttpHandler ThroughChain(const HttpDoorCore& core, RpcMethod method, HttpDoor door, HttpErrorWriter error) {
  return [&core, method, door = std::move(door), error = std::move(error)](HttpRequest& request) {
    HttpCall call(core, method, &request);
    HttpOutcome outcome;
    outcome.status = call.admitted();
    if (outcome.status.ok()) outcome = door(call);
    call.Record(outcome.status, outcome.report);
    if (!outcome.status.ok()) {
      outcome.response = error(outcome.status);
      AddRetryHint(outcome.status, &outcome.response);
    }
    outcome.response.holds = call.context().reservation;
    return std::move(outcome.response);
  };
}

int HttpStatusOf(const absl::Status& status) {
  constexpr int kClientClosedRequest = 499;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAborted:  // a body that did not come
      return 408;
    case absl::StatusCode::kOutOfRange:  // a body that is too large
      return 413;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return kClientClosedRequest;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace attendant
