#include "server/http/exchange.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/http/gzip.h"

namespace attendant {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kPieceBytes = 16 * 1024;
constexpr int64_t kFirstBytes = 4 * 1024;
constexpr size_t kMaxLineBytes = 4 * 1024;  // of the head of a chunk, or of a trailer
constexpr int kMaxTrailers = 64;
constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

template <typename Number>
std::optional<Number> ParseNumber(const std::string& text, int base) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  const bool digits_only = !text.empty() && absl::ascii_isxdigit(static_cast<unsigned char>(text.front()));
  if (error != std::errc() || end != text.data() + text.size() || !digits_only) return std::nullopt;
  return number;
}

// A body that grows as it comes: what a caller announces costs nothing, what it sends is counted.
class BodyBuffer {
 public:
  explicit BodyBuffer(const BodyLimits& limits) : limits_(limits) {}

  absl::Status Append(const char* data, size_t size) {
    const auto needed = static_cast<int64_t>(body_.size() + size);
    if (needed > limits_.max_bytes) return TooLarge(limits_);
    if (needed > reserved_) {
      const int64_t wanted = std::clamp(2 * needed, kFirstBytes, std::max(limits_.max_bytes, needed));
      if (absl::Status status = limits_.reserve(wanted - reserved_); !status.ok()) return status;
      reserved_ = wanted;
      body_.reserve(static_cast<size_t>(wanted));
    }
    body_.append(data, size);
    return absl::OkStatus();
  }

  static absl::Status TooLarge(const BodyLimits& limits) {
    return absl::OutOfRangeError(
        absl::StrCat("the body is larger than the limit of ", limits.max_bytes, " bytes (", limits.flag, ")"));
  }

  std::string Take() { return std::move(body_); }

 private:
  const BodyLimits& limits_;
  std::string body_;
  int64_t reserved_ = 0;
};

}  // namespace

void Exchange::Begin(httplib::Request* request, std::chrono::milliseconds body_timeout) {
  request_ = request;
  body_timeout_ = body_timeout;
  framing_ = ReadFraming();
  accepts_gzip_ = absl::StrContains(absl::AsciiStrToLower(request->get_header_value("Accept-Encoding")), "gzip");
  expects_continue_ = absl::EqualsIgnoreCase(request->get_header_value("Expect"), "100-continue");
  // Several overlapping ranges of one answer would multiply it; Brotli at its highest level takes a hundred times the
  // time that gzip does; and whether a body is wanted is the handler's to say.
  request->ranges.clear();
  request->headers.erase("Accept-Encoding");
  request->headers.erase("Expect");
}

// What leaves two readings is refused: a proxy in front may have taken the other one.
Exchange::Framing Exchange::ReadFraming() {
  const auto [begin, end] = request_->headers.equal_range("Content-Length");
  const bool coded = request_->has_header("Transfer-Encoding");
  if (coded) {
    const bool chunked = request_->get_header_value_count("Transfer-Encoding") == 1 &&
                         absl::EqualsIgnoreCase(request_->get_header_value("Transfer-Encoding"), "chunked");
    return chunked && begin == end && takes_chunks() ? Framing::kChunks : Framing::kMalformed;
  }
  if (begin == end) return Framing::kNone;
  const auto length = ParseNumber<int64_t>(begin->second, 10);
  if (!length.has_value() || std::next(begin) != end) return Framing::kMalformed;
  length_ = *length;
  return length_ == 0 ? Framing::kNone : Framing::kLength;
}

Credentials Exchange::credentials() const {
  Credentials credentials;
  const auto collect = [this](const char* name, std::vector<std::string>* values) {
    const auto [begin, end] = request_->headers.equal_range(name);
    for (auto it = begin; it != end; ++it) values->push_back(it->second);
  };
  collect("Authorization", &credentials.authorization);
  collect("X-API-Key", &credentials.api_key);
  return credentials;
}

absl::StatusOr<std::string> Exchange::ReadBody(const BodyLimits& limits) {
  if (framing_ == Framing::kMalformed) return absl::InvalidArgumentError("the length of the body is unclear");
  if (framing_ == Framing::kNone) return std::string();
  if (length_ > limits.max_bytes) return BodyBuffer::TooLarge(limits);
  const std::string coding = absl::AsciiStrToLower(Header("Content-Encoding"));
  const bool plain = coding.empty() || coding == "identity";
  if (!plain && coding != "gzip" && coding != "x-gzip" && coding != "deflate") {
    return absl::UnimplementedError("the body's Content-Encoding is not one that this server knows: gzip, deflate");
  }
  until_ = Clock::now() + body_timeout_;
  connection_->BeginBody(until_);
  if (std::exchange(expects_continue_, false)) {
    if (connection_->write(kContinue, sizeof kContinue - 1) < 0 || !connection_->Flush()) return Broken();
  }
  BodyBuffer body(limits);
  Inflater inflater;
  const Sink collect = [&body](const char* data, size_t size) { return body.Append(data, size); };
  const Sink inflate = [&](const char* data, size_t size) { return inflater.Write(data, size, collect); };
  const Sink& sink = plain ? collect : inflate;
  absl::Status status = framing_ == Framing::kChunks ? ReadChunks(sink) : ReadPieces(length_, sink);
  read_whole_ = status.ok();
  if (status.ok() && !plain) status = inflater.Finish();
  connection_->EndBody();
  if (!status.ok()) return status;
  return body.Take();
}

absl::Status Exchange::Broken() const {
  if (Clock::now() >= until_) {
    return absl::AbortedError("the body did not come in time (--http-body-timeout-ms)");
  }
  return absl::CancelledError("the caller has gone before its request was complete");
}

absl::Status Exchange::ReadPieces(int64_t length, const Sink& sink) {
  std::array<char, kPieceBytes> piece;
  while (length > 0) {
    const auto wanted = static_cast<size_t>(std::min<int64_t>(length, piece.size()));
    const ssize_t count = connection_->read(piece.data(), wanted);
    if (count <= 0) return Broken();
    if (absl::Status status = sink(piece.data(), static_cast<size_t>(count)); !status.ok()) return status;
    length -= count;
  }
  return absl::OkStatus();
}

absl::Status Exchange::ReadLine(std::string* line) {
  line->clear();
  while (line->size() < kMaxLineBytes) {
    char byte = 0;
    if (connection_->read(&byte, 1) != 1) return Broken();
    if (byte == '\n') {
      if (!line->empty() && line->back() == '\r') line->pop_back();
      return absl::OkStatus();
    }
    line->push_back(byte);
  }
  return absl::InvalidArgumentError("the body's chunks are malformed");
}

absl::Status Exchange::ReadChunks(const Sink& sink) {
  const absl::Status malformed = absl::InvalidArgumentError("the body's chunks are malformed");
  std::string line;
  while (true) {
    if (absl::Status status = ReadLine(&line); !status.ok()) return status;
    const auto size = ParseNumber<int64_t>(std::string(line, 0, line.find_first_of("; \t")), 16);
    if (!size.has_value()) return malformed;
    if (*size == 0) break;
    if (absl::Status status = ReadPieces(*size, sink); !status.ok()) return status;
    if (absl::Status status = ReadLine(&line); !status.ok()) return status;
    if (!line.empty()) return malformed;
  }
  for (int trailers = 0; trailers <= kMaxTrailers; ++trailers) {
    if (absl::Status status = ReadLine(&line); !status.ok()) return status;
    if (line.empty()) return absl::OkStatus();
  }
  return malformed;
}

void Exchange::Await(const std::function<void(std::function<void()> finished)>& start,
                     const std::function<void()>& gone) {
  start([connection = connection_] { connection->Wake(); });
  connection_->AwaitWake(gone);
}

}  // namespace attendant
