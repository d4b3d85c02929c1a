#include "server/network/listen_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

constexpr int kBacklog = 4096;  // the system cuts it to net.core.somaxconn
constexpr char kUnix[] = "unix:";

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

// With SO_REUSEADDR, so that connections that linger from an earlier run do not count. The socket, or the error as a
// negative number.
int BindOne(const sockaddr* address, socklen_t size, int v6_only) {
  const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->sa_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  if (bind(fd, address, size) == 0 && listen(fd, kBacklog) == 0) return fd;
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

void Listeners::Close() {
  for (const int socket : sockets_) close(socket);
  if (!sockets_.empty() && !unix_path_.empty()) unlink(unix_path_.c_str());
  sockets_.clear();
}

absl::StatusOr<Listeners> Listeners::Bind(const std::string& address) {
  const std::string port = address.substr(std::min(address.size(), address.rfind(':')));
  if (address == "[::]" + port) return BindAll(address, V6::kAndV4);
  if (address == "0.0.0.0" + port) {
    // Not on a machine without IPv6, or with IPv6 switched off.
    if (auto both = BindAll("[::]" + port, V6::kAndV4); both.ok()) return both;
  }
  return BindAll(address, V6::kOnly);
}

absl::StatusOr<Listeners> Listeners::BindAll(const std::string& address, V6 v6) {
  auto list = Resolve(address);
  if (!list.ok()) return list.status();
  Listeners listeners;
  int last_error = 0;
  for (addrinfo* info = list->get(); info != nullptr; info = info->ai_next) {
    if (listeners.port_ != 0) SetPort(listeners.port_, info);
    const int socket = BindOne(info->ai_addr, info->ai_addrlen, v6 == V6::kOnly ? 1 : 0);
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

absl::StatusOr<Listeners> Listeners::BindUnix(const std::string& address) {
  std::string path = address.substr(sizeof kUnix - 1);
  if (path.rfind("//", 0) == 0) path = path.substr(2);
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof target.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("cannot listen on \"", address, "\": the path must have 1 to ",
                                                   sizeof target.sun_path - 1, " bytes"));
  }
  std::memcpy(target.sun_path, path.c_str(), path.size() + 1);
  struct stat found {};
  if (lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) unlink(path.c_str());
  const int socket = BindOne(reinterpret_cast<const sockaddr*>(&target), sizeof target, 0);
  if (socket < 0) return CannotListen(address, -socket);
  Listeners listeners;
  listeners.sockets_.push_back(socket);
  listeners.unix_path_ = path;
  listeners.port_ = 1;
  return listeners;
}

absl::Status CheckCanListen(const std::string& address) {
  if (address.rfind(kUnix, 0) == 0) return absl::OkStatus();
  return Listeners::Bind(address).status();
}

bool IsThisMachineOnly(const std::string& address) {
  if (address.rfind(kUnix, 0) == 0) return true;
  const auto list = Resolve(address);
  if (!list.ok()) return false;
  for (const addrinfo* info = list->get(); info != nullptr; info = info->ai_next) {
    if (!IsLoopback(*info)) return false;
  }
  return true;
}

}  // namespace attendant
