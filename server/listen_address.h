// Can this address be listened on? Asked before gRPC, which would bind one of a name's addresses in silence when
// another is taken, and says of a failure only that there was one. Thread-safety: a function without state.
#ifndef ATTENDANT_SERVER_LISTEN_ADDRESS_H_
#define ATTENDANT_SERVER_LISTEN_ADDRESS_H_

#include <string>

#include "absl/status/status.h"

namespace attendant {

// address: HOST:PORT, [IPv6]:PORT or unix:PATH. INVALID_ARGUMENT when malformed or unknown, UNAVAILABLE when taken or
// not permitted; both name the address and the reason. A unix: path is not looked at.
absl::Status CheckCanListen(const std::string& address);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_LISTEN_ADDRESS_H_
