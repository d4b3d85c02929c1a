// A raw HTTP caller, who can also misbehave: byte by byte over a socket or TLS, with every wait bounded.
// Thread-safety: a connection belongs to one thread.
#ifndef ATTENDANT_TESTS_TESTING_HTTP_CLIENT_H_
#define ATTENDANT_TESTS_TESTING_HTTP_CLIENT_H_

#include <chrono>
#include <memory>
#include <string>

#include "tests/testing/certificates.h"

namespace attendant::testing {

struct TlsClientOptions {
  std::string authority;  // PEM that the server must come from
  PemPair own;            // empty: no client certificate
  int max_version = 0;    // such as TLS1_1_VERSION; 0: any
};

class HttpConnection {
 public:
  // host: "127.0.0.1" or "::1". tls: nullptr for plain HTTP.
  HttpConnection(const std::string& host, int port, const TlsClientOptions* tls = nullptr);
  ~HttpConnection();

  // Connected, and with TLS: shaken hands. TLS 1.3 refuses a client's certificate only afterwards.
  bool ok() const { return ok_; }
  bool Send(const std::string& bytes);
  // One answer, by its Content-Length; what has come so far when the connection ends. "" when nothing comes.
  std::string ReadAnswer();
  // True when the server closes the connection within the time.
  bool AwaitClose(std::chrono::milliseconds wait);

 private:
  struct Tls;
  int Read(char* data, int size);

  int socket_ = -1;
  bool ok_ = false;
  std::unique_ptr<Tls> tls_;
};

// A whole GET on a connection of its own. headers: lines with their ends.
std::string HttpGetFrom(const std::string& host, int port, const std::string& path, const std::string& headers = "",
                        const TlsClientOptions* tls = nullptr);

}  // namespace attendant::testing

#endif  // ATTENDANT_TESTS_TESTING_HTTP_CLIENT_H_
