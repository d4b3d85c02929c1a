// A plain TCP connection to a server in this process, for fuzz targets that send bytes.
//
// Thread-safety: free function. Ownership: the caller closes the descriptor.
#ifndef ATTENDANT_TESTS_FUZZ_LOOPBACK_H_
#define ATTENDANT_TESTS_FUZZ_LOOPBACK_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstdint>

#include "tests/fuzz/require.h"

namespace attendant::fuzz {

// recv on it gives up after patience_s.
inline int ConnectLoopback(int port, int patience_s) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Require(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "it takes connections");
  const timeval patience{.tv_sec = patience_s, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return fd;
}

}  // namespace attendant::fuzz

#endif  // ATTENDANT_TESTS_FUZZ_LOOPBACK_H_
