#include "tests/testing/http_client.h"

#include <gtest/gtest.h>
#include <netdb.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

namespace attendant::testing {
namespace {

constexpr int kLongSeconds = 30;

int Connect(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) return -1;
  int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, list->ai_addr, list->ai_addrlen) != 0) {
    close(fd);
    fd = -1;
  }
  freeaddrinfo(list);
  return fd;
}

void SetTimeout(int fd, std::chrono::milliseconds wait) {
  const timeval time{wait.count() / 1000, (wait.count() % 1000) * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

X509* ToCertificate(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

void UseOwn(const PemPair& own, SSL_CTX* context) {
  X509* certificate = ToCertificate(own.certificate);
  BIO* bio = BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  EXPECT_EQ(SSL_CTX_use_certificate(context, certificate), 1);
  EXPECT_EQ(SSL_CTX_use_PrivateKey(context, key), 1);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

}  // namespace

struct HttpConnection::Tls {
  explicit Tls(const TlsClientOptions& options) : context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
    X509* authority = ToCertificate(options.authority);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority);
    X509_free(authority);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (!options.own.certificate.empty()) UseOwn(options.own, context.get());
    if (options.max_version != 0) {
      // As weak as it gets, so that a refusal is the server's.
      SSL_CTX_set_security_level(context.get(), 0);
      SSL_CTX_set_min_proto_version(context.get(), 0);
      EXPECT_EQ(SSL_CTX_set_max_proto_version(context.get(), options.max_version), 1);
    }
    ssl.reset(SSL_new(context.get()));
  }
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl{nullptr, &SSL_free};
};

HttpConnection::HttpConnection(const std::string& host, int port, const TlsClientOptions* tls)
    : socket_(Connect(host, port)) {
  std::signal(SIGPIPE, SIG_IGN);
  if (socket_ < 0) return;
  SetTimeout(socket_, std::chrono::seconds(kLongSeconds));
  ok_ = true;
  if (tls == nullptr) return;
  tls_ = std::make_unique<Tls>(*tls);
  SSL_set_fd(tls_->ssl.get(), socket_);
  // What gRPC demands; our HTTP server does not mind.
  const unsigned char kH2[] = {2, 'h', '2'};
  SSL_set_alpn_protos(tls_->ssl.get(), kH2, sizeof kH2);
  ok_ = SSL_connect(tls_->ssl.get()) == 1;
}

HttpConnection::~HttpConnection() {
  if (socket_ >= 0) close(socket_);
}

bool HttpConnection::Send(const std::string& bytes) {
  if (tls_ != nullptr) return SSL_write(tls_->ssl.get(), bytes.data(), static_cast<int>(bytes.size())) > 0;
  return send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

int HttpConnection::Read(char* data, int size) {
  if (tls_ != nullptr) return SSL_read(tls_->ssl.get(), data, size);
  return static_cast<int>(recv(socket_, data, static_cast<size_t>(size), 0));
}

std::string HttpConnection::ReadAnswer() {
  std::string answer;
  size_t wanted = std::string::npos;
  char buffer[4096];
  while (answer.size() < wanted) {
    const int count = Read(buffer, sizeof buffer);
    if (count <= 0) break;
    answer.append(buffer, static_cast<size_t>(count));
    const size_t head = answer.find("\r\n\r\n");
    const size_t length = answer.find("Content-Length: ");
    if (head == std::string::npos || length > head) continue;
    wanted = head + 4 + std::strtoul(answer.c_str() + length + 16, nullptr, 10);
  }
  return answer;
}

bool HttpConnection::AwaitClose(std::chrono::milliseconds wait) {
  SetTimeout(socket_, wait);
  char byte = 0;
  const ssize_t count = recv(socket_, &byte, 1, 0);
  return count == 0 || (count < 0 && errno == ECONNRESET);
}

std::string HttpGetFrom(const std::string& host, int port, const std::string& path, const std::string& headers,
                        const TlsClientOptions* tls) {
  HttpConnection connection(host, port, tls);
  if (!connection.ok()) return "";
  connection.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
  return connection.ReadAnswer();
}

}  // namespace attendant::testing
