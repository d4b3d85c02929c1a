#include "server/network/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr int kBacklog = 128;

struct HostPort {
  std::string host;
  std::string port;
};

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

bool Split(const std::string& address, HostPort* out) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  out->host = address.substr(0, colon);
  out->port = address.substr(colon + 1);
  const bool bracketed = out->host.size() > 2 && out->host.front() == '[' && out->host.back() == ']';
  if (bracketed) out->host = out->host.substr(1, out->host.size() - 2);
  int number = -1;
  const bool digits = out->port.find_first_not_of("0123456789") == std::string::npos;
  const bool valid_port = digits && absl::SimpleAtoi(out->port, &number) && number >= 0 && number <= 65535;
  return valid_port && !out->host.empty() && (bracketed || out->host.find(':') == std::string::npos);
}

absl::StatusOr<AddressList> Resolve(const std::string& address) {
  HostPort parts;
  if (!Split(address, &parts)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot listen on \"", address, "\": it is not HOST:PORT, [IPv6]:PORT or unix:PATH"));
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &list); error != 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on ", address, ": ", gai_strerror(error)));
  }
  return AddressList(list, freeaddrinfo);
}

// As gRPC binds: with SO_REUSEADDR, so that connections that linger from an earlier run do not count. The socket, or
// the error as a negative number.
int BindOne(const addrinfo& info) {
  const int fd = socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol);
  if (fd < 0) return -errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, info.ai_addr, info.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

int PortOf(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // The port is at the same place for both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

void SetPort(int port, addrinfo* info) {
  reinterpret_cast<sockaddr_in*>(info->ai_addr)->sin_port = htons(static_cast<uint16_t>(port));
}

bool IsLoopback(const addrinfo& info) {
  if (info.ai_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(info.ai_addr)->sin_addr.s_addr) >> 24) == 127;
  }
  return info.ai_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(info.ai_addr)->sin6_addr);
}

absl::Status CannotListen(const std::string& address, int error) {
  const char* hint = error == EADDRINUSE ? "; another server runs there, or choose another port" : "";
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", std::strerror(error), hint));
}

}  // namespace

Listeners::~Listeners() {
  for (const int socket : sockets_) close(socket);
}

absl::StatusOr<Listeners> Listeners::Bind(const std::string& address) {
  auto list = Resolve(address);
  if (!list.ok()) return list.status();
  Listeners listeners;
  int last_error = 0;
  for (addrinfo* info = list->get(); info != nullptr; info = info->ai_next) {
    if (listeners.port_ != 0) SetPort(listeners.port_, info);
    const int socket = BindOne(*info);
    if (socket >= 0) {
      listeners.sockets_.push_back(socket);
      listeners.port_ = PortOf(socket);
      continue;
    }
    last_error = -socket;
    // A host without IPv6 still resolves localhost to ::1; a taken port is another matter.
    if (last_error == EADDRINUSE || last_error == EACCES) return CannotListen(address, last_error);
  }
  if (!listeners.sockets_.empty()) return listeners;
  return CannotListen(address, last_error);
}

absl::Status CheckCanListen(const std::string& address) {
  if (address.rfind("unix:", 0) == 0) return absl::OkStatus();
  return Listeners::Bind(address).status();
}

bool IsThisMachineOnly(const std::string& address) {
  if (address.rfind("unix:", 0) == 0) return true;
  const auto list = Resolve(address);
  if (!list.ok()) return false;
  for (const addrinfo* info = list->get(); info != nullptr; info = info->ai_next) {
    if (!IsLoopback(*info)) return false;
  }
  return true;
}

}  // namespace attendant
