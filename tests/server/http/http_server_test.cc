#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "server/observability/logging.h"
#include "server/security/tls_store.h"
#include "tests/testing/http_client.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::HttpConnection;
using testing::HttpGetFrom;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TlsClientOptions;

constexpr char kGet[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    ConfigureLogging(LogFormat::kText, LogLevel::kError);
    options_.address = "127.0.0.1:0";
  }
  ~HttpServerTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  void Start() {
    server_ = std::make_unique<HttpServer>(options_);
    server_->Handle("GET", "/hello", [](const HttpRequest&) { return HttpResponse{.body = "hello\n"}; });
    server_->Handle("GET", "/peer", [](const HttpRequest& request) { return HttpResponse{.body = request.peer()}; });
    server_->Handle("GET", "/large",
                    [](const HttpRequest&) { return HttpResponse{.body = std::string(8 << 20, 'x')}; });
    server_->Handle("GET", "/closed", [](const HttpRequest&) { return HttpResponse{.status = 401, .body = "no\n"}; });
    const absl::Status status = server_->Start();
    ASSERT_TRUE(status.ok()) << status;
  }

  int port() const { return server_->port(); }
  std::string Get(const std::string& path, const std::string& headers = "") const {
    return HttpGetFrom("127.0.0.1", port(), path, headers);
  }

  HttpServerOptions options_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersExactPathsOnly) {
  Start();
  EXPECT_THAT(Get("/hello"), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("\r\n\r\nhello\n")));
  EXPECT_THAT(Get("/hello?x=1"), StartsWith("HTTP/1.1 200"));
  for (const char* path : {"/", "/hello/", "/Hello", "/../hello", "/etc/passwd", "/../../etc/passwd"}) {
    EXPECT_THAT(Get(path), StartsWith("HTTP/1.1 404")) << path;
  }
  EXPECT_THAT(Get("/closed"), AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("WWW-Authenticate: Bearer")));
}

TEST_F(HttpServerTest, OtherMethodsAreRefused) {
  Start();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    HttpConnection connection("127.0.0.1", port());
    connection.Send(std::string(method) + " /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde");
    EXPECT_THAT(connection.ReadAnswer(), AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: GET, HEAD"))) << method;
  }
  HttpConnection head("127.0.0.1", port());
  head.Send("HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(head.ReadAnswer(), AllOf(StartsWith("HTTP/1.1 200"), Not(HasSubstr("hello\n"))));
}

TEST_F(HttpServerTest, KeepsConnectionsAliveBetweenRequests) {
  Start();
  HttpConnection connection("127.0.0.1", port());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(connection.Send(kGet));
    EXPECT_THAT(connection.ReadAnswer(), HasSubstr("hello\n"));
  }
  // Both at once: the second is in the buffer when the first has been answered.
  ASSERT_TRUE(connection.Send(std::string(kGet) + kGet));
  EXPECT_THAT(connection.ReadAnswer(), HasSubstr("hello\n"));
}

TEST_F(HttpServerTest, ABodyIsNotTakenForTheNextRequest) {
  Start();
  HttpConnection connection("127.0.0.1", port());
  connection.Send("GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n" + std::string(kGet));
  EXPECT_THAT(connection.ReadAnswer(), HasSubstr("hello\n"));
  EXPECT_TRUE(connection.AwaitClose(std::chrono::seconds(30)));
}

// A handler that waits until somebody else says so, or its caller goes.
class Waiting {
 public:
  HttpResponse Answer(HttpRequest& request) {
    bool gone = false;
    request.Await([this](std::function<void()> finished) { Set(std::move(finished)); },
                  [&] {
                    gone = true;
                    Finish();
                  });
    const std::lock_guard lock(mutex_);
    ++(gone ? gone_ : answered_);
    changed_.notify_all();
    return {.body = "waited\n"};
  }
  // Ends the wait that there is, or the next one.
  void Finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_ != nullptr; });
    const auto finished = std::exchange(finished_, nullptr);
    lock.unlock();
    finished();
  }
  void AwaitGone(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return gone_ == count; });
  }
  void AwaitArrival() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_ != nullptr; });
  }

 private:
  void Set(std::function<void()> finished) {
    const std::lock_guard lock(mutex_);
    finished_ = std::move(finished);
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> finished_;
  int gone_ = 0;
  int answered_ = 0;
};

class WaitingTest : public HttpServerTest {
 protected:
  void StartWaiting() {
    server_ = std::make_unique<HttpServer>(options_);
    server_->Handle("POST", "/wait", [this](HttpRequest& request) { return waiting_.Answer(request); });
    server_->Handle(
        "GET", "/files/", [](const HttpRequest& request) { return HttpResponse{.body = request.path()}; },
        PathMatch::kPrefix);
    ASSERT_TRUE(server_->Start().ok());
  }
  static constexpr char kWait[] = "POST /wait HTTP/1.1\r\nHost: x\r\n\r\n";

  Waiting waiting_;
};

TEST_F(WaitingTest, AHandlerMayWaitForAnotherThread) {
  StartWaiting();
  HttpConnection connection("127.0.0.1", port());
  for (int i = 0; i < 20; ++i) {
    std::thread other([this] { waiting_.Finish(); });
    connection.Send(kWait);
    EXPECT_THAT(connection.ReadAnswer(), HasSubstr("waited"));
    other.join();
  }
}

TEST_F(WaitingTest, AWaitIsToldThatTheCallerHasGone) {
  StartWaiting();
  for (int i = 1; i <= 5; ++i) {
    auto connection = std::make_unique<HttpConnection>("127.0.0.1", port());
    connection->Send(kWait);
    waiting_.AwaitArrival();
    connection.reset();
    waiting_.AwaitGone(i);
  }
}

TEST_F(WaitingTest, StoppingEndsWaits) {
  StartWaiting();
  HttpConnection connection("127.0.0.1", port());
  connection.Send(kWait);
  waiting_.AwaitArrival();
  server_->Stop();
  waiting_.AwaitGone(1);
}

TEST_F(WaitingTest, DrainWaitsForAnswersAndRefusesTheRest) {
  StartWaiting();
  HttpConnection under_way("127.0.0.1", port());
  under_way.Send(kWait);
  waiting_.AwaitArrival();
  server_->BeginDrain();
  EXPECT_THAT(Get("/files/a"), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Connection: close")));
  server_->AwaitDrain(std::chrono::steady_clock::now() + milliseconds(10));
  std::thread drain([this] { server_->AwaitDrain(std::chrono::steady_clock::now() + std::chrono::hours(1)); });
  waiting_.Finish();
  drain.join();
  server_->Stop();
  EXPECT_THAT(under_way.ReadAnswer(), HasSubstr("waited"));
}

TEST_F(WaitingTest, APrefixServesAllBelowIt) {
  StartWaiting();
  EXPECT_THAT(Get("/files/a/b%20c"), HasSubstr("/files/a/b c"));
  EXPECT_THAT(Get("/files/"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(server_->routes(), ::testing::UnorderedElementsAre("POST /wait", "GET /files/*"));
}

TEST_F(HttpServerTest, ServesIpv6) {
  options_.address = "[::1]:0";
  Start();
  EXPECT_THAT(HttpGetFrom("::1", port(), "/hello"), HasSubstr("hello\n"));
}

TEST_F(HttpServerTest, ANameIsServedOnAllItsAddresses) {
  options_.address = "localhost:0";
  Start();
  EXPECT_THAT(Get("/hello"), HasSubstr("hello\n"));
}

TEST_F(HttpServerTest, RefusesHeadsThatAreTooLarge) {
  Start();
  HttpConnection line("127.0.0.1", port());
  line.Send("GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n");
  EXPECT_THAT(line.ReadAnswer(), StartsWith("HTTP/1.1 4"));
  HttpConnection many("127.0.0.1", port());
  std::string head = "GET /hello HTTP/1.1\r\n";
  for (int i = 0; i < 2000; ++i) head += "a" + std::to_string(i) + ": b\r\n";
  many.Send(head + "\r\n");
  EXPECT_THAT(many.ReadAnswer(), StartsWith("HTTP/1.1 4"));
  EXPECT_THAT(Get("/hello"), HasSubstr("hello\n"));
}

TEST_F(HttpServerTest, RangesDoNotMultiplyAnAnswer) {
  Start();
  std::string ranges = "Range: bytes=0-";
  for (int i = 0; i < 500; ++i) ranges += ",0-";
  const std::string answer = Get("/hello", ranges + "\r\n");
  EXPECT_LT(answer.size(), 1000u);
}

TEST_F(HttpServerTest, BytesThatAreNoHttpEndTheirConnectionOnly) {
  Start();
  for (const std::string& bytes : {std::string("\0\0\0\0\r\n\r\n", 8), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                                   std::string("GET\r\n\r\n"), std::string("GET /hello HTTP/9.9\r\n\r\n")}) {
    HttpConnection connection("127.0.0.1", port());
    connection.Send(bytes);
    EXPECT_THAT(connection.ReadAnswer(), Not(HasSubstr("hello\n")));
  }
  EXPECT_THAT(Get("/hello"), HasSubstr("hello\n"));
}

TEST_F(HttpServerTest, WhoSendsNothingOrSlowlyIsCutOff) {
  options_.request_timeout = milliseconds(50);
  Start();
  HttpConnection silent("127.0.0.1", port());
  HttpConnection slow("127.0.0.1", port());
  slow.Send("GET /hello HTT");
  EXPECT_TRUE(silent.AwaitClose(std::chrono::seconds(30)));
  EXPECT_THAT(slow.ReadAnswer(), Not(HasSubstr("hello\n")));
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedInTheEnd) {
  options_.idle_timeout = milliseconds(1050);
  Start();
  HttpConnection connection("127.0.0.1", port());
  connection.Send(kGet);
  EXPECT_THAT(connection.ReadAnswer(), HasSubstr("hello\n"));
  EXPECT_TRUE(connection.AwaitClose(std::chrono::seconds(30)));
}

TEST_F(HttpServerTest, NewcomersTakeThePlacesOfThoseWhoWait) {
  options_.max_connections = 3;
  options_.request_timeout = options_.idle_timeout = std::chrono::hours(1);
  Start();
  std::vector<std::unique_ptr<HttpConnection>> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.push_back(std::make_unique<HttpConnection>("127.0.0.1", port()));
    ASSERT_TRUE(waiting.back()->ok());
    if (i % 2 == 0) waiting.back()->Send("GET /he");
  }
  EXPECT_THAT(Get("/hello"), HasSubstr("hello\n"));
  EXPECT_TRUE(waiting.front()->AwaitClose(std::chrono::seconds(30)));
}

TEST_F(HttpServerTest, WhoDoesNotReadLosesItsPlaceToo) {
  options_.max_connections = 2;
  options_.write_timeout = std::chrono::hours(1);
  Start();
  std::vector<std::unique_ptr<HttpConnection>> unread;
  for (int i = 0; i < 6; ++i) {
    unread.push_back(std::make_unique<HttpConnection>("127.0.0.1", port()));
    unread.back()->Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  }
  EXPECT_THAT(Get("/hello"), HasSubstr("hello\n"));
}

TEST_F(HttpServerTest, StopsAtOnceWhateverCallersDo) {
  options_.request_timeout = options_.idle_timeout = options_.write_timeout = std::chrono::hours(1);
  Start();
  HttpConnection silent("127.0.0.1", port());
  HttpConnection idle("127.0.0.1", port());
  idle.Send(kGet);
  EXPECT_THAT(idle.ReadAnswer(), HasSubstr("hello\n"));
  HttpConnection unread("127.0.0.1", port());
  unread.Send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
  const int port_before = port();
  const auto start = std::chrono::steady_clock::now();
  server_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_EQ(HttpGetFrom("127.0.0.1", port_before, "/hello"), "");
}

TEST_F(HttpServerTest, AddressesThatAreNoneAreRefused) {
  for (const char* address : {"", "9464", ":9464", "localhost", "localhost:", "127.0.0.1:70000", "127.0.0.1:80s",
                              "127.0.0.1:0,127.0.0.1:0", "::1:9464", "127.0.0.1:-1", "127.0.0.1: 1"}) {
    options_.address = address;
    HttpServer server(options_);
    const absl::Status status = server.Start();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << address << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(address));
  }
}

TEST_F(HttpServerTest, ATakenPortIsAnErrorThatNamesIt) {
  Start();
  options_.address = "127.0.0.1:" + std::to_string(port());
  HttpServer second(options_);
  const absl::Status status = second.Start();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr(options_.address));
  options_.address = "192.0.2.1:0";
  EXPECT_TRUE(absl::IsUnavailable(HttpServer(options_).Start()));
}

class HttpServerTlsTest : public HttpServerTest {
 protected:
  void StartTls(bool mutual) {
    WritePair(authority_.Issue());
    TlsFiles files{directory_.Path("cert"), directory_.Path("key"), ""};
    if (mutual) files.client_ca = directory_.Write("ca", authority_.certificate());
    auto store = TlsStore::Load(files);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    options_.tls = store_.get();
    Start();
  }
  void WritePair(const testing::PemPair& pair) {
    directory_.Write("cert", pair.certificate);
    directory_.Write("key", pair.key);
  }
  std::string GetTls(const TlsClientOptions& tls) { return HttpGetFrom("127.0.0.1", port(), "/hello", "", &tls); }

  testing::TestAuthority authority_;
  testing::TempDir directory_;
  std::unique_ptr<TlsStore> store_;
};

TEST_F(HttpServerTlsTest, ServesThoseWhoTrustItsAuthority) {
  StartTls(false);
  EXPECT_THAT(GetTls({.authority = authority_.certificate()}), HasSubstr("hello\n"));
  testing::TestAuthority other;
  EXPECT_EQ(GetTls({.authority = other.certificate()}), "");
  EXPECT_THAT(Get("/hello"), Not(HasSubstr("hello\n"))) << "without TLS";
}

TEST_F(HttpServerTlsTest, RefusesOldVersions) {
  StartTls(false);
  EXPECT_EQ(GetTls({.authority = authority_.certificate(), .max_version = TLS1_1_VERSION}), "");
  EXPECT_THAT(GetTls({.authority = authority_.certificate(), .max_version = TLS1_2_VERSION}), HasSubstr("hello\n"));
}

TEST_F(HttpServerTlsTest, WantsAClientCertificateOfItsAuthority) {
  StartTls(true);
  EXPECT_THAT(GetTls({.authority = authority_.certificate(), .own = authority_.Issue()}), HasSubstr("hello\n"));
  EXPECT_EQ(GetTls({.authority = authority_.certificate()}), "");
  testing::TestAuthority other;
  EXPECT_EQ(GetTls({.authority = authority_.certificate(), .own = other.Issue()}), "");
}

TEST_F(HttpServerTlsTest, ANewCertificateIsForNewConnections) {
  StartTls(false);
  const TlsClientOptions old_trust{.authority = authority_.certificate()};
  HttpConnection open("127.0.0.1", port(), &old_trust);
  ASSERT_TRUE(open.ok());
  testing::TestAuthority next("Next Authority");
  WritePair(next.Issue());
  ASSERT_EQ(*store_->Reload(), true);
  ASSERT_TRUE(open.Send(kGet));
  EXPECT_THAT(open.ReadAnswer(), HasSubstr("hello\n"));
  EXPECT_EQ(GetTls(old_trust), "");
  EXPECT_THAT(GetTls({.authority = next.certificate()}), HasSubstr("hello\n"));
}

TEST_F(HttpServerTlsTest, WhoShakesNoHandsIsCutOff) {
  options_.request_timeout = milliseconds(50);
  StartTls(false);
  HttpConnection silent("127.0.0.1", port());
  EXPECT_TRUE(silent.AwaitClose(std::chrono::seconds(30)));
}

}  // namespace
}  // namespace attendant
