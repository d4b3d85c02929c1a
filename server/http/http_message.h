// What passes between an HttpServer and its handlers: a request, the answer to it. No httplib in here.
//
// Thread-safety: both belong to the thread that serves the request, but for what Await says.
#ifndef ATTENDANT_SERVER_HTTP_HTTP_MESSAGE_H_
#define ATTENDANT_SERVER_HTTP_HTTP_MESSAGE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/security/credentials.h"

namespace attendant {

struct BodyLimits {
  int64_t max_bytes = 0;  // also when it comes compressed: of what it is then
  std::string flag;       // that sets max_bytes, for the error
  // Asked before memory is taken; anything but OK ends the reading with it.
  std::function<absl::Status(int64_t bytes)> reserve;
};

class HttpRequest {
 public:
  virtual ~HttpRequest() = default;

  virtual const std::string& method() const = 0;
  virtual const std::string& path() const = 0;  // decoded, without the query
  // The first of this name; "" when there is none.
  virtual std::string Header(const char* name) const = 0;
  virtual Credentials credentials() const = 0;
  virtual std::string peer() const = 0;  // "ipv4:192.0.2.1:5000" or "ipv6:[::1]:5000"

  // The whole body, inflated; once. OUT_OF_RANGE: larger than allowed. INVALID_ARGUMENT: its length, its pieces or its
  // compression are wrong. UNIMPLEMENTED: a compression that is not gzip or deflate. ABORTED: it does not
  // come. CANCELLED: the caller has gone.
  virtual absl::StatusOr<std::string> ReadBody(const BodyLimits& limits) = 0;

  // For what goes on elsewhere: calls start with a function that ends the wait, and returns when that has been called,
  // exactly once, on any thread. gone: called at most once meanwhile, when the caller has hung up or the server stops.
  virtual void Await(const std::function<void(std::function<void()> finished)>& start,
                     const std::function<void()>& gone) = 0;
};

// Appends the next piece of a body, some ten kilobytes of it. False: that was the last.
using BodyProducer = std::function<bool(std::string* piece)>;

// Whether an answer is worth compressing for callers that would like that: text is, vectors are noise.
enum class Compression { kNever, kIfWanted };

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  BodyProducer rest;  // what follows the body, made while it is sent; unset: nothing
  Compression compression = Compression::kIfWanted;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const void> holds;  // what the answer holds until it has been sent
};

// May block in Await and ReadBody only. Must not throw.
using HttpHandler = std::function<HttpResponse(HttpRequest&)>;

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_HTTP_MESSAGE_H_
