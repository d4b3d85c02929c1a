#include "server/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

struct HostPort {
  std::string host;
  std::string port;
};

bool Split(const std::string& address, HostPort* out) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return false;
  out->host = address.substr(0, colon);
  out->port = address.substr(colon + 1);
  const bool bracketed = out->host.size() > 2 && out->host.front() == '[' && out->host.back() == ']';
  if (bracketed) out->host = out->host.substr(1, out->host.size() - 2);
  int number = -1;
  const bool valid_port = absl::SimpleAtoi(out->port, &number) && number >= 0 && number <= 65535;
  return valid_port && !out->host.empty() && (bracketed || out->host.find(':') == std::string::npos);
}

// As gRPC binds: with SO_REUSEADDR, so that connections that linger from an earlier run do not count.
int TryBind(const addrinfo& info) {
  const int fd = socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC, info.ai_protocol);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (info.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  const bool ok = bind(fd, info.ai_addr, info.ai_addrlen) == 0 && listen(fd, 1) == 0;
  const int error = ok ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

absl::Status CheckCanListen(const std::string& address) {
  if (address.rfind("unix:", 0) == 0) return absl::OkStatus();
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
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, freeaddrinfo);
  int bound = 0;
  int last_error = 0;
  for (const addrinfo* info = list; info != nullptr; info = info->ai_next) {
    const int error = TryBind(*info);
    bound += error == 0 ? 1 : 0;
    if (error != 0) last_error = error;
    // A host without IPv6 still resolves localhost to ::1; a taken port is another matter.
    if (error == EADDRINUSE || error == EACCES) bound = -65536;
  }
  if (bound > 0) return absl::OkStatus();
  const char* hint = last_error == EADDRINUSE ? "; another server runs there, or choose another port" : "";
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", std::strerror(last_error), hint));
}

}  // namespace attendant
