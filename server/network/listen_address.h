// Addresses to listen on: can it be done, on what does it really listen, is it this machine only?
//
// All listeners are ours: gRPC would bind one of a name's addresses in silence when another is taken, says of a failure
// only that there was one, and stops accepting when there is no descriptor left (connection_acceptor.h).
// Thread-safety: functions without state; a Listeners object belongs to one thread.
#ifndef ATTENDANT_SERVER_NETWORK_LISTEN_ADDRESS_H_
#define ATTENDANT_SERVER_NETWORK_LISTEN_ADDRESS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace attendant {

// address: HOST:PORT, [IPv6]:PORT or unix:PATH. INVALID_ARGUMENT when malformed or unknown, UNAVAILABLE when taken or
// not permitted; both name the address and the reason. A unix: path is not looked at.
absl::Status CheckCanListen(const std::string& address);

// Can only this machine connect? A malformed address or an unknown name: no.
bool IsThisMachineOnly(const std::string& address);

// Sockets that listen, closed with the object. Without blocking.
class Listeners {
 public:
  Listeners() = default;
  ~Listeners() { Close(); }
  Listeners(Listeners&& other) noexcept
      : sockets_(std::exchange(other.sockets_, {})), unix_path_(std::move(other.unix_path_)), port_(other.port_) {}
  Listeners& operator=(Listeners&&) = delete;

  // All addresses of the host, on the same port; of the wildcards 0.0.0.0 and [::], IPv6 and IPv4 where the machine has
  // both. Errors as of CheckCanListen. address: HOST:PORT or [IPv6]:PORT; port 0 takes a free one.
  static absl::StatusOr<Listeners> Bind(const std::string& address);
  // address: unix:PATH or unix:///PATH. Replaces a socket, and nothing else, that an earlier run has left there.
  static absl::StatusOr<Listeners> BindUnix(const std::string& address);

  const std::vector<int>& sockets() const { return sockets_; }
  int port() const { return port_; }  // 1, as gRPC says, for a unix: address
  void Close();

 private:
  enum class V6 { kOnly, kAndV4 };
  static absl::StatusOr<Listeners> BindAll(const std::string& address, V6 v6);

  std::vector<int> sockets_;
  std::string unix_path_;  // removed with the socket
  int port_ = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_NETWORK_LISTEN_ADDRESS_H_
