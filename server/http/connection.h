// One connection of an HttpServer: a socket without blocking, perhaps with TLS, whose every wait has an end.
//
// Small writes are put together until Flush. Includes httplib. Thread-safety: one thread reads and writes; Shutdown,
// Wake, waiting and waiting_since from any.
#ifndef ATTENDANT_SERVER_HTTP_CONNECTION_H_
#define ATTENDANT_SERVER_HTTP_CONNECTION_H_

#include <httplib.h>
#include <openssl/ssl.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "server/security/tls_identity.h"

namespace attendant {

class Connection final : public httplib::Stream {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Limits {
    size_t max_head_bytes = 0;
    std::chrono::milliseconds write_timeout{0};
  };

  // Takes the socket. identity: nullptr for plain HTTP.
  Connection(int socket, std::shared_ptr<const TlsIdentity> identity, Limits limits);
  ~Connection() override;

  // False: the caller did not manage it in time, or not at all.
  bool Handshake(Time until);
  // Waits for the first byte of a request. False: none came, or the caller has gone.
  bool AwaitRequest(Time until);
  // From here on everything that is read belongs to one request, which must be complete by then.
  void BeginRequest(Time until);
  bool head_too_large() const { return head_too_large_; }
  // The head has been read: what keeps the request now is the server.
  void BeginAnswer();
  // The body is wanted, which must be complete by then; after it the server keeps the request again.
  void BeginBody(Time until);
  void EndBody() { waiting_since_ = 0; }

  // Returns when Wake has been called, once for each call. gone: called at most once, when the caller hangs up before.
  void AwaitWake(const std::function<void()>& gone);
  void Wake() const;
  // Sends what was written. False: it could not be.
  bool Flush();
  // Ends what is sent, then reads what still comes and forgets it, for a short while: a caller that is still sending
  // when its answer comes would otherwise lose the answer.
  void Linger();
  // "ipv4:192.0.2.1:5000" or "ipv6:[::1]:5000".
  std::string peer() const;

  // Ends every wait of the connection; its thread closes it.
  void Shutdown();
  // Does the connection keep the server waiting, and since when?
  bool waiting() const { return waiting_since_ != 0; }
  Time::rep waiting_since() const { return waiting_since_; }

  // httplib::Stream.
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  int socket() const override { return socket_; }

 private:
  enum class Direction { kRead, kWrite };

  // Waits until the socket is ready; false at the end of time.
  bool Await(Direction direction, Time until);
  // One attempt to transfer; -1 with *direction set: it would have to wait for that; -2: it has failed.
  ssize_t TryRead(char* data, size_t size, Direction* direction);
  ssize_t TryWrite(const char* data, size_t size, Direction* direction);
  ssize_t TlsResult(int result, Direction* direction);
  ssize_t Receive(char* data, size_t size, Time until);
  bool Fill(Time until);
  bool CountHead(const char* data, size_t size);
  bool Send(const char* data, size_t size);

  const int socket_;
  const int wake_event_;
  const Limits limits_;
  const std::shared_ptr<const TlsIdentity> identity_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_;
  Time until_;
  std::array<char, 4096> buffer_;
  size_t begin_ = 0;  // of what is in the buffer
  size_t end_ = 0;
  bool in_head_ = false;
  bool line_is_empty_ = false;
  bool head_too_large_ = false;
  size_t head_bytes_ = 0;
  bool tls_failed_ = false;
  std::string unsent_;
  std::atomic<Time::rep> waiting_since_{0};  // 0: it does not, or nobody serves it yet
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_CONNECTION_H_
