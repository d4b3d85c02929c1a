#include "server/http/connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace attendant {
namespace {

using Clock = std::chrono::steady_clock;

constexpr ssize_t kWouldBlock = -1;
constexpr ssize_t kFailed = -2;

}  // namespace

Connection::Connection(int socket, std::shared_ptr<const TlsIdentity> identity, Limits limits)
    : socket_(socket), limits_(limits), identity_(std::move(identity)), ssl_(nullptr, &SSL_free) {
  if (identity_ == nullptr) return;
  ssl_.reset(SSL_new(identity_->context.get()));
  if (ssl_ != nullptr) SSL_set_fd(ssl_.get(), socket_);
}

Connection::~Connection() {
  // A word of goodbye, as far as it can be said without waiting; not after an error, as OpenSSL demands.
  if (ssl_ != nullptr && !tls_failed_) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  close(socket_);
}

void Connection::Shutdown() { shutdown(socket_, SHUT_RDWR); }

bool Connection::Await(Direction direction, Time until) {
  pollfd poll_fd{socket_, static_cast<short>(direction == Direction::kRead ? POLLIN : POLLOUT), 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left <= 0) return false;
    const int ready = poll(&poll_fd, 1, static_cast<int>(std::min<int64_t>(left, INT_MAX)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

ssize_t Connection::TlsResult(int result, Direction* direction) {
  if (result > 0) return result;
  const int error = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    *direction = error == SSL_ERROR_WANT_READ ? Direction::kRead : Direction::kWrite;
    return kWouldBlock;
  }
  tls_failed_ = true;
  return kFailed;
}

ssize_t Connection::TryRead(char* data, size_t size, Direction* direction) {
  if (ssl_ != nullptr) return TlsResult(SSL_read(ssl_.get(), data, static_cast<int>(size)), direction);
  *direction = Direction::kRead;
  const ssize_t count = recv(socket_, data, size, 0);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EINTR ? kWouldBlock : kFailed;
}

ssize_t Connection::TryWrite(const char* data, size_t size, Direction* direction) {
  if (ssl_ != nullptr) return TlsResult(SSL_write(ssl_.get(), data, static_cast<int>(size)), direction);
  *direction = Direction::kWrite;
  const ssize_t count = send(socket_, data, size, MSG_NOSIGNAL);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EINTR ? kWouldBlock : kFailed;
}

bool Connection::Handshake(Time until) {
  waiting_since_ = Clock::now().time_since_epoch().count();
  if (identity_ == nullptr) return true;
  if (ssl_ == nullptr) return false;
  while (true) {
    Direction direction = Direction::kRead;
    const ssize_t result = TlsResult(SSL_accept(ssl_.get()), &direction);
    if (result > 0) return true;
    if (result != kWouldBlock || !Await(direction, until)) {
      tls_failed_ = true;
      return false;
    }
  }
}

bool Connection::Fill(Time until) {
  while (true) {
    Direction direction = Direction::kRead;
    const ssize_t count = TryRead(buffer_.data(), buffer_.size(), &direction);
    if (count > 0) {
      begin_ = 0;
      end_ = static_cast<size_t>(count);
      return true;
    }
    if (count != kWouldBlock || !Await(direction, until)) return false;
  }
}

bool Connection::AwaitRequest(Time until) {
  waiting_since_ = Clock::now().time_since_epoch().count();
  return begin_ < end_ || Fill(until);
}

void Connection::BeginRequest(Time until) {
  until_ = until;
  in_head_ = true;
  line_is_empty_ = false;
  head_too_large_ = false;
  head_bytes_ = 0;
}

void Connection::BeginAnswer() {
  waiting_since_ = 0;
  until_ = Clock::now() + limits_.write_timeout;
}

// The head ends with an empty line. httplib bounds single lines of it only.
bool Connection::CountHead(const char* data, size_t size) {
  for (size_t i = 0; in_head_ && i < size; ++i) {
    if (++head_bytes_ > limits_.max_head_bytes) {
      head_too_large_ = true;
      return false;
    }
    if (data[i] == '\n') {
      in_head_ = !line_is_empty_;
      line_is_empty_ = true;
    } else if (data[i] != '\r') {
      line_is_empty_ = false;
    }
  }
  return true;
}

ssize_t Connection::read(char* data, size_t size) {
  if (begin_ == end_ && !Fill(until_)) return -1;
  const size_t count = std::min(size, end_ - begin_);
  std::memcpy(data, buffer_.data() + begin_, count);
  if (!CountHead(data, count)) return -1;
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* data, size_t size) {
  size_t written = 0;
  while (written < size) {
    Direction direction = Direction::kWrite;
    const ssize_t count = TryWrite(data + written, size - written, &direction);
    if (count > 0) {
      written += static_cast<size_t>(count);
      continue;
    }
    if (count != kWouldBlock) return -1;
    waiting_since_ = Clock::now().time_since_epoch().count();
    const bool ready = Await(direction, until_);
    waiting_since_ = 0;
    if (!ready) return -1;
  }
  return static_cast<ssize_t>(size);
}

// httplib puts them into headers of the request, for handlers that ask; none of ours does.
void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip.clear();
  port = 0;
}

}  // namespace attendant
