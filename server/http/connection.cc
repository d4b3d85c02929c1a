#include "server/http/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

namespace attendant {
namespace {

using Clock = std::chrono::steady_clock;

constexpr ssize_t kWouldBlock = -1;
constexpr ssize_t kFailed = -2;
// Below it, writes are put together: a head and a short body are one packet.
constexpr size_t kTogetherBytes = 16 * 1024;
constexpr std::chrono::milliseconds kLingerTime{1000};

}  // namespace

Connection::Connection(int socket, std::shared_ptr<const TlsIdentity> identity, Limits limits)
    : socket_(socket),
      wake_event_(eventfd(0, EFD_CLOEXEC)),
      limits_(limits),
      identity_(std::move(identity)),
      ssl_(nullptr, &SSL_free) {
  const int on = 1;
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (identity_ == nullptr) return;
  ssl_.reset(SSL_new(identity_->context.get()));
  if (ssl_ != nullptr) SSL_set_fd(ssl_.get(), socket_);
}

Connection::~Connection() {
  // A word of goodbye, as far as it can be said without waiting; not after an error, as OpenSSL demands.
  if (ssl_ != nullptr && !tls_failed_) SSL_shutdown(ssl_.get());
  ERR_clear_error();
  close(socket_);
  if (wake_event_ >= 0) close(wake_event_);
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
  if (wake_event_ < 0) return false;  // out of descriptors
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

ssize_t Connection::Receive(char* data, size_t size, Time until) {
  while (true) {
    Direction direction = Direction::kRead;
    const ssize_t count = TryRead(data, size, &direction);
    if (count > 0) return count;
    if (count != kWouldBlock || !Await(direction, until)) return -1;
  }
}

bool Connection::Fill(Time until) {
  const ssize_t count = Receive(buffer_.data(), buffer_.size(), until);
  if (count < 0) return false;
  begin_ = 0;
  end_ = static_cast<size_t>(count);
  return true;
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

void Connection::BeginAnswer() { waiting_since_ = 0; }

void Connection::BeginBody(Time until) {
  until_ = until;
  waiting_since_ = Clock::now().time_since_epoch().count();
}

void Connection::AwaitWake(const std::function<void()>& gone) {
  // What is sent ahead is no concern of ours, the end of sending is: a half that is closed cannot be told from a caller
  // that has gone.
  std::array<pollfd, 2> waiting{pollfd{wake_event_, POLLIN, 0}, pollfd{socket_, POLLRDHUP, 0}};
  nfds_t count = waiting.size();
  while (true) {
    if (poll(waiting.data(), count, -1) < 0) continue;
    if (waiting[0].revents != 0) break;
    count = 1;
    gone();
  }
  uint64_t times = 0;
  while (::read(wake_event_, &times, sizeof times) < 0 && errno == EINTR) {
  }
}

void Connection::Wake() const {
  const uint64_t once = 1;
  while (::write(wake_event_, &once, sizeof once) < 0 && errno == EINTR) {
  }
}

void Connection::Linger() {
  Flush();
  if (ssl_ != nullptr && !tls_failed_) SSL_shutdown(ssl_.get());
  shutdown(socket_, SHUT_WR);
  waiting_since_ = Clock::now().time_since_epoch().count();
  const Time until = Clock::now() + kLingerTime;
  while (Await(Direction::kRead, until)) {
    const ssize_t count = recv(socket_, buffer_.data(), buffer_.size(), 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
  }
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
  if (!in_head_ && begin_ == end_ && size >= buffer_.size()) return Receive(data, size, until_);
  if (begin_ == end_ && !Fill(until_)) return -1;
  const size_t count = std::min(size, end_ - begin_);
  std::memcpy(data, buffer_.data() + begin_, count);
  if (!CountHead(data, count)) return -1;
  begin_ += count;
  return static_cast<ssize_t>(count);
}

ssize_t Connection::write(const char* data, size_t size) {
  if (unsent_.size() + size <= kTogetherBytes) {
    unsent_.append(data, size);
    return static_cast<ssize_t>(size);
  }
  return Flush() && Send(data, size) ? static_cast<ssize_t>(size) : -1;
}

bool Connection::Flush() {
  const bool sent = Send(unsent_.data(), unsent_.size());
  unsent_.clear();
  return sent;
}

bool Connection::Send(const char* data, size_t size) {
  const Time until = Clock::now() + limits_.write_timeout;
  for (size_t written = 0; written < size;) {
    Direction direction = Direction::kWrite;
    const ssize_t count = TryWrite(data + written, size - written, &direction);
    if (count > 0) {
      written += static_cast<size_t>(count);
      continue;
    }
    if (count != kWouldBlock) return false;
    waiting_since_ = Clock::now().time_since_epoch().count();
    const bool ready = Await(direction, until);
    waiting_since_ = 0;
    if (!ready) return false;
  }
  return true;
}

std::string Connection::peer() const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "unknown";
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
    return std::string("ipv4:") + text.data() + ":" + std::to_string(ntohs(v4->sin_port));
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
  inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
  return std::string("ipv6:[") + text.data() + "]:" + std::to_string(ntohs(v6->sin6_port));
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
