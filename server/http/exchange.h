// One request on a connection, as its handler sees it: the head that httplib has read, the body that is read here.
//
// httplib would read a body whole, inflate it without bound, and take whatever two lengths say; so it reads none.
// Includes httplib. Thread-safety: as HttpRequest. Ownership: borrows the connection and httplib's request.
#ifndef ATTENDANT_SERVER_HTTP_EXCHANGE_H_
#define ATTENDANT_SERVER_HTTP_EXCHANGE_H_

#include <httplib.h>

#include <chrono>
#include <functional>
#include <string>

#include "server/http/connection.h"
#include "server/http/http_message.h"

namespace attendant {

class Exchange final : public HttpRequest {
 public:
  explicit Exchange(Connection* connection) : connection_(connection) {}

  // When the head has been read. Takes what httplib must not act upon out of it.
  void Begin(httplib::Request* request, std::chrono::milliseconds body_timeout);

  // How long the body is cannot be told from the head: then neither can where the next request begins.
  bool malformed() const { return framing_ == Framing::kMalformed; }
  // Something of the request is still on its way, so the connection cannot go on.
  bool unread() const { return framing_ == Framing::kMalformed || (framing_ != Framing::kNone && !read_whole_); }
  bool accepts_gzip() const { return accepts_gzip_; }
  // Can the caller take an answer whose length is not known beforehand?
  bool takes_chunks() const { return request_->version != "HTTP/1.0"; }

  // HttpRequest.
  const std::string& method() const override { return request_->method; }
  const std::string& path() const override { return request_->path; }
  std::string Header(const char* name) const override { return request_->get_header_value(name); }
  Credentials credentials() const override;
  std::string peer() const override { return connection_->peer(); }
  absl::StatusOr<std::string> ReadBody(const BodyLimits& limits) override;
  void Await(const std::function<void(std::function<void()> finished)>& start,
             const std::function<void()>& gone) override;

 private:
  enum class Framing { kNone, kLength, kChunks, kMalformed };
  using Sink = std::function<absl::Status(const char* data, size_t size)>;

  Framing ReadFraming();
  absl::Status ReadPieces(int64_t length, const Sink& sink);
  absl::Status ReadChunks(const Sink& sink);
  absl::Status ReadLine(std::string* line);
  absl::Status Broken() const;

  Connection* const connection_;
  const httplib::Request* request_ = nullptr;
  std::chrono::milliseconds body_timeout_{0};
  Framing framing_ = Framing::kNone;
  int64_t length_ = 0;  // with kLength
  bool read_whole_ = false;
  bool accepts_gzip_ = false;
  bool expects_continue_ = false;
  Connection::Time until_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_EXCHANGE_H_
