// What all routes have in common: bodies, limits, deadlines, callers that go, drain, CORS, compression, documents.
#include <gmock/gmock.h>
#include <zlib.h>

#include <set>
#include <thread>

#include "server/http/api/http_api.h"
#include "server/security/key_file.h"
#include "tests/server/http/api/api_fixture.h"
#include "tests/testing/http_client.h"
#include "tests/testing/temp_dir.h"

namespace attendant::testing {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kEmbed[] = "/v1/embeddings";
constexpr char kKey[] = "key-one-0123456789abcdef";

std::string Gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Gunzip(const std::string& bytes) {
  z_stream stream{};
  inflateInit2(&stream, 16 + MAX_WBITS);
  std::string out(16 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string Texts(int count, const std::string& text) {
  std::string body = "{\"input\": [\"" + text + "\"";
  for (int i = 1; i < count; ++i) body += ",\"" + text + "\"";
  return body + "]}";
}

class RoutesTest : public ApiTest {
 protected:
  std::string Message(const HttpAnswer& answer) { return answer.Json()["error"].value("message", ""); }
  void StartWithKey(const std::string& attributes = "") {
    config().security.api_keys_file = directory_.Write("keys", *KeyFileLine("one", kKey) + " " + attributes + "\n");
    StartServer();
  }
  static std::string Bearer() { return std::string("Authorization: Bearer ") + kKey + "\r\n"; }

  TempDir directory_;
};

TEST_F(RoutesTest, BodiesAreBounded) {
  config().http.max_body_bytes = 10'000;
  StartServer();
  const HttpAnswer large = Post(kEmbed, std::string(10'001, ' '));
  EXPECT_EQ(large.status, 413);
  EXPECT_THAT(Message(large), HasSubstr("--http-max-body-bytes"));
  EXPECT_EQ(large.Header("Connection"), "close");
  const std::string head = "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
  const HttpAnswer chunks = Exchange(head + "Transfer-Encoding: chunked\r\n\r\n2711\r\n" + std::string(10'001, ' '));
  EXPECT_EQ(chunks.status, 413);
  EXPECT_EQ(Post(kEmbed, "{\"input\": \"a\"" + std::string(9'986, ' ') + "}").status, 200);
}

TEST_F(RoutesTest, ChunkedBodiesAreRead) {
  StartServer();
  const std::string head =
      "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(Exchange(head + "7;x=y\r\n{\"input\r\n07\r\n\": \"a\"}\r\n0\r\nTrailer: x\r\n\r\n").status, 200);
  for (const char* chunks : {"x\r\n", "-1\r\nab\r\n", "2\r\nabc\r\n", "ffffffffffffffffff\r\n", "0x2\r\nab\r\n"}) {
    EXPECT_EQ(Exchange(head + chunks + "0\r\n\r\n").status, 400) << chunks;
  }
}

TEST_F(RoutesTest, LengthsThatLeaveADoubtAreRefused) {
  StartServer();
  const std::string head = "POST /v1/embeddings HTTP/1.1\r\nHost: x\r\n";
  for (const char* lengths :
       {"Content-Length: 14\r\nContent-Length: 15\r\n", "Content-Length: 14\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: +14\r\n", "Content-Length: 14a\r\n", "Content-Length: -1\r\n",
        "Content-Length: 99999999999999999999\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    const HttpAnswer answer = Exchange(head + lengths + "\r\n{\"input\": \"a\"}");
    EXPECT_EQ(answer.status, 400) << lengths;
    EXPECT_EQ(answer.Header("Connection"), "close") << lengths;
  }
}

TEST_F(RoutesTest, CompressedBodiesAreInflatedWithinBounds) {
  config().http.max_body_bytes = 1 << 20;
  StartServer();
  const std::string gzip = "Content-Encoding: gzip\r\n";
  const std::string body = Texts(3, "w1 w2");
  EXPECT_EQ(Post(kEmbed, Gzip(body), gzip).Json()["data"].size(), 3u);
  const HttpAnswer bomb = Post(kEmbed, Gzip(std::string(900'000, ' ')), gzip);
  EXPECT_EQ(bomb.status, 400);
  EXPECT_THAT(Message(bomb), HasSubstr("64 times"));
  EXPECT_EQ(Post(kEmbed, Gzip(body).substr(0, 30), gzip).status, 400);
  EXPECT_EQ(Post(kEmbed, Gzip(body) + "x", gzip).status, 400);
  EXPECT_EQ(Post(kEmbed, body, gzip).status, 400);
  EXPECT_EQ(Post(kEmbed, body, "Content-Encoding: br\r\n").status, 501);
}

TEST_F(RoutesTest, AnswersAreCompressedForThoseWhoAcceptIt) {
  StartServer();
  const std::string gzip = "Accept-Encoding: deflate, gzip, br\r\n";
  const std::string plain = Post(kEmbed, Texts(900, "w1 w2")).body;
  const HttpAnswer answer = Post(kEmbed, Texts(900, "w1 w2"), gzip);
  EXPECT_EQ(answer.Header("Content-Encoding"), "gzip");
  EXPECT_LT(answer.body.size(), plain.size() / 4);
  EXPECT_EQ(Gunzip(answer.body), plain);
  EXPECT_EQ(Gunzip(Get("/metrics", gzip).body).substr(0, 2), "# ");
  EXPECT_EQ(Post(kEmbed, Texts(1, "w1"), gzip).Header("Content-Encoding"), "") << "too small to be worth it";
  EXPECT_EQ(
      Post(kEmbed, R"({"encoding_format": "base64", )" + Texts(900, "w1").substr(1), gzip).Header("Content-Encoding"),
      "");
  config().http.gzip = false;
  StartServer();
  EXPECT_EQ(Get("/metrics", gzip).Header("Content-Encoding"), "");
}

TEST_F(RoutesTest, TheCallersDeadlineCounts) {
  StartServer();
  gate().Close();
  const HttpAnswer late = Post(kEmbed, R"({"input": "a"})", "X-Request-Timeout-Ms: 50\r\n");
  EXPECT_EQ(late.status, 504);
  gate().Open();
  for (const char* timeout : {"0", "-1", "1.5", "soon", "99999999999999999999"}) {
    const HttpAnswer answer =
        Post(kEmbed, R"({"input": "a"})", "X-Request-Timeout-Ms: " + std::string(timeout) + "\r\n");
    EXPECT_EQ(answer.status, 400) << timeout;
    EXPECT_EQ(answer.Json()["error"]["param"], "X-Request-Timeout-Ms");
  }
  EXPECT_EQ(Post(kEmbed, R"({"input": "a"})", "X-Request-Timeout-Ms: 60000\r\n").status, 200);
}

TEST_F(RoutesTest, ACallerThatHangsUpIsNotComputedFor) {
  StartServer();
  gate().Close();
  auto connection = std::make_unique<HttpConnection>("127.0.0.1", port());
  connection->Send(PostBytes(kEmbed, R"({"input": "a"})"));
  gate().AwaitArrival();
  connection.reset();
  // The gate lets go of work whose callers have all gone; else this would never be counted.
  const std::string counted = "attendant_requests_total{code=\"CANCELLED\",method=\"openai.Embeddings\"} 1\n";
  while (Get("/metrics").body.find(counted) == std::string::npos) {
  }
  EXPECT_THAT(Get("/metrics").body, HasSubstr("attendant_requests_in_flight{method=\"openai.Embeddings\"} 0\n"));
}

TEST_F(RoutesTest, DrainFinishesWhatHasBegunAndRefusesTheRest) {
  config().drain_timeout = std::chrono::seconds(30);
  StartServer();
  gate().Close();
  HttpConnection open("127.0.0.1", port());
  open.Send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(open.ReadAnswer(), HasSubstr("200"));
  HttpAnswer under_way;
  std::thread caller([&] { under_way = Post(kEmbed, R"({"input": "w1 w2"})"); });
  gate().AwaitArrival();
  std::thread drain([this] { server().Drain(); });
  while (Get("/readyz").status != 503) {
  }
  const HttpAnswer refused = Post(kEmbed, R"({"input": "a"})");
  if (refused.status != 0) {
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(refused.Header("Connection"), "close");
    EXPECT_NE(refused.Header("Retry-After"), "");
  }
  gate().Open();
  drain.join();
  caller.join();
  EXPECT_EQ(under_way.status, 200);
  EXPECT_EQ(under_way.Json()["data"][0]["embedding"][1], 3);
  EXPECT_EQ(Get("/readyz").status, 0) << "nobody listens any more";
}

TEST_F(RoutesTest, RefusalsSayWhenToComeAgain) {
  StartWithKey("tokens-per-second=1");
  ASSERT_EQ(Post(kEmbed, R"({"input": "a b c d e f g h i j"})", Bearer()).status, 200);
  const HttpAnswer answer = Post(kEmbed, R"({"input": "a b c d e f g h i j"})", Bearer());
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.Json()["error"]["code"], "rate_limit_exceeded");
  EXPECT_GT(std::stoi(answer.Header("retry-after-ms")), 1000);
  EXPECT_GT(std::stoi(answer.Header("Retry-After")), 1);
  const HttpAnswer never = Post(kEmbed, Texts(9, "a b c d e f g h i j"), Bearer());
  EXPECT_EQ(never.status, 429);
  EXPECT_EQ(never.Header("x-should-retry"), "false");
}

TEST_F(RoutesTest, WithoutAKeyABodyIsNotEvenRead) {
  StartWithKey();
  HttpConnection connection("127.0.0.1", port());
  connection.Send("POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
  const std::string answer = connection.ReadAnswer();
  EXPECT_THAT(answer, AllOf(HasSubstr("401"), HasSubstr("invalid_api_key"), HasSubstr("WWW-Authenticate: Bearer"),
                            Not(HasSubstr("100 Continue"))));
  EXPECT_EQ(Post(kEmbed, R"({"input": "a"})", "X-API-Key: " + std::string(kKey) + "\r\n").status, 200);
  EXPECT_EQ(Get("/metrics", Bearer()).status, 403) << "for a key with allow=metrics";
}

TEST_F(RoutesTest, ABodyIsAskedForWhenTheCallerWaits) {
  StartServer();
  const HttpAnswer answer = Exchange(
      "POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
      "{\"inputs\": \"a\"}");
  EXPECT_EQ(answer.status, 100);
  EXPECT_THAT(answer.body, AllOf(HasSubstr("HTTP/1.1 200"), HasSubstr("[[1,1,0,0]]")));
}

TEST_F(RoutesTest, SpeaksTlsWhenGrpcDoes) {
  TestAuthority authority;
  const PemPair pair = authority.Issue();
  config().security.tls_cert = directory_.Write("cert", pair.certificate);
  config().security.tls_key = directory_.Write("key", pair.key);
  StartServer();
  const TlsClientOptions trust{.authority = authority.certificate()};
  HttpConnection connection("127.0.0.1", port(), &trust);
  ASSERT_TRUE(connection.ok());
  for (int i = 0; i < 2; ++i) {
    connection.Send(PostBytes(kEmbed, R"({"input": "w1 w2"})"));
    EXPECT_THAT(connection.ReadAnswer(), AllOf(HasSubstr("HTTP/1.1 200"), HasSubstr("[2,3,0,0]")));
  }
  EXPECT_EQ(Post(kEmbed, R"({"input": "w1 w2"})").status, 0) << "without TLS";
}

TEST_F(RoutesTest, PagesOfOtherOriginsNeedPermission) {
  config().http.cors_origins = {"https://example.com"};
  StartServer();
  const std::string allowed = "Origin: https://example.com\r\nSec-Fetch-Site: cross-site\r\n";
  const std::string other = "Origin: https://example.org\r\nSec-Fetch-Site: cross-site\r\n";
  const HttpAnswer answer = Post(kEmbed, R"({"input": "a"})", allowed);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Header("Access-Control-Allow-Origin"), "https://example.com");
  EXPECT_EQ(Post(kEmbed, R"({"input": "a"})", other).status, 403);
  EXPECT_EQ(Post(kEmbed, R"({"input": "a"})", "Sec-Fetch-Site: same-site\r\n").status, 403);
  EXPECT_EQ(Post(kEmbed, R"({"input": "a"})", "Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost\r\n").status,
            200);
  const auto preflight = [this](const std::string& headers) {
    return Exchange("OPTIONS /v1/embeddings HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers +
                    "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n\r\n");
  };
  EXPECT_EQ(preflight(allowed).status, 204);
  EXPECT_EQ(preflight(allowed).Header("Access-Control-Allow-Headers"), "authorization");
  EXPECT_EQ(preflight(allowed).Header("Access-Control-Allow-Methods"), "POST");
  EXPECT_EQ(preflight(other).status, 405);
  EXPECT_EQ(preflight(other).Header("Access-Control-Allow-Origin"), "");
}

TEST_F(RoutesTest, UnknownPathsAndMethodsAreRefusedInTheWordsOfTheirProtocol) {
  StartServer();
  EXPECT_EQ(Get("/v1/none").Json()["error"]["code"], "unknown_url");
  EXPECT_EQ(Get("/v2/none").Json()["message"], "there is nothing here");
  EXPECT_EQ(Get("/none").Json()["error_type"], "Validation");
  EXPECT_EQ(Get(kEmbed).status, 405);
  EXPECT_EQ(Get(kEmbed).Header("Allow"), "POST");
}

TEST_F(RoutesTest, TheDocumentListsEveryRouteAndNoOther) {
  StartServer();
  std::set<std::string> documented;
  const HttpAnswer document = Get("/openapi.json");
  const json paths = document.Json()["paths"];
  for (const auto& [path, methods] : paths.items()) {
    for (const auto& [method, operation] : methods.items()) {
      const std::string upper = method == "get" ? "GET" : "POST";
      documented.insert(upper + " " + (path == "/v1/models/{model}" ? "/v1/models/*" : path));
    }
  }
  std::set<std::string> served;
  for (const std::string& route : server().http_routes()) {
    // The pages and their files are not for programs.
    const bool page = route == "GET /" || route.rfind("GET /page/", 0) == 0 || route.rfind("GET /docs/", 0) == 0;
    if (!page) served.insert(route);
  }
  EXPECT_EQ(documented, served);
  EXPECT_EQ(Get("/openapi.json", "If-None-Match: " + document.Header("ETag") + "\r\n").status, 304);
  EXPECT_THAT(Get("/docs").head, HasSubstr("Content-Security-Policy: default-src 'self'"));
  EXPECT_THAT(Get("/docs").body, AllOf(HasSubstr("/docs/docs.js"), Not(HasSubstr("http:")), Not(HasSubstr("https:"))));
  EXPECT_EQ(Get("/docs/docs.js").Header("Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_THAT(Get("/").head, AllOf(HasSubstr("text/html"), HasSubstr("Content-Security-Policy: default-src 'self'")));
  EXPECT_EQ(Get("/page/style.css").status, 200);
}

}  // namespace
}  // namespace attendant::testing
