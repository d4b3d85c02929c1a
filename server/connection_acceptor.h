// Accepts connections and hands them on, and goes on accepting whatever happens: gRPC's own listener ends for good the
// first time that the process has no descriptor left (gRPC 1.51, CVE-2023-4785).
//
// Some descriptors are kept back for the process itself (threads, scrapes, loading a model). A connection that would
// reach into them is closed at once, which its client sees as UNAVAILABLE; when others go, new ones are taken again.
// Thread-safety: every member from any thread. Ownership: owns the listening sockets and a thread that accepts.
#ifndef ATTENDANT_SERVER_CONNECTION_ACCEPTOR_H_
#define ATTENDANT_SERVER_CONNECTION_ACCEPTOR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "server/connection_guard.h"
#include "server/network/listen_address.h"

namespace attendant {

// Raises the soft limit of descriptors to the hard one: whoever started us meant programs that use select().
void RaiseDescriptorLimit();

class ConnectionAcceptor {
 public:
  // Gets each connection, non-blocking, with the listening descriptor that it came through; owns it from there.
  using Sink = std::function<void(int listener, int connection)>;

  ConnectionAcceptor(Listeners sockets, ConnectionGuard guard, Sink sink);
  ~ConnectionAcceptor();  // Stop
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;

  int port() const { return sockets_.port(); }
  // Connections that were closed at once because of the limit of descriptors.
  int64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  // Closes the listening sockets; when it returns, the sink is not called any more. May be called more than once.
  void Stop();
  // After Stop: ends every connection that is still open; how many.
  int CutOffAll() { return guard_.CutOffAll(); }

 private:
  void Run();
  void AcceptFrom(int listener);
  void Refuse(int connection);
  // False when it is time to end.
  bool Pause();

  Listeners sockets_;
  ConnectionGuard guard_;
  const Sink sink_;
  const int descriptor_limit_;  // connections have lower numbers: the system gives out the lowest that is free
  const int stop_fd_;
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> refused_{0};
  int64_t reported_ = 0;  // of refused_, the last time that it was logged
  int64_t reported_at_s_ = 0;
  std::thread thread_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_CONNECTION_ACCEPTOR_H_
