#include "server/http/api/tei.h"

#include <gmock/gmock.h>

#include "tests/server/http/api/api_fixture.h"

namespace attendant::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class TeiHttpTest : public ApiTest {
 protected:
  json Answer(const std::string& path, const std::string& body) {
    const HttpAnswer answer = Post(path, body);
    EXPECT_EQ(answer.status, 200) << path << body << answer.body;
    return answer.Json();
  }
  std::string ErrorType(const std::string& path, const std::string& body, int status) {
    const HttpAnswer answer = Post(path, body);
    EXPECT_EQ(answer.status, status) << path << body << answer.body;
    EXPECT_TRUE(answer.Json().contains("error")) << answer.body;
    return answer.Json().value("error_type", "");
  }
};

TEST_F(TeiHttpTest, EmbedAnswersAListOfVectors) {
  StartServer();
  for (const char* path : {"/embed", "/"}) {
    EXPECT_EQ(Answer(path, R"({"inputs": "w1 w2"})"), json::parse("[[2, 3, 0, 0]]"));
    EXPECT_EQ(Answer(path, R"({"inputs": ["w1 w2", "w5"], "truncate": null, "normalize": false})"),
              json::parse("[[2, 3, 0, 0], [1, 5, 0, 0]]"));
  }
  EXPECT_EQ(Answer("/embed", R"({"inputs": [[1, 2], [5]]})"), json::parse("[[2, 3, 0, 0], [1, 5, 0, 0]]"));
  EXPECT_EQ(Answer("/embed", R"({"inputs": "w3 w1", "dimensions": 1, "allow_untrained_dimensions": true})"),
            json::parse("[[1]]"));
  EXPECT_EQ(Answer("/embed", R"({"inputs": "w3", "dimensions": 2, "normalize": false})"), json::parse("[[1, 3]]"));
  EXPECT_EQ(Answer("/embed", R"({"inputs": "w5", "prompt_name": "query"})"), json::parse("[[3, 8, 0, 0]]"));
  const HttpAnswer answer = Post("/embed", R"({"inputs": ["ä", "w5 w6"]})");
  EXPECT_EQ(answer.Header("x-compute-type"), "cpu");
  EXPECT_EQ(answer.Header("x-compute-tokens"), "3");
  EXPECT_EQ(answer.Header("x-compute-characters"), "6");
}

TEST_F(TeiHttpTest, EmbedAllAnswersAVectorForEachToken) {
  StartServer();
  EXPECT_EQ(Answer("/embed_all", R"({"inputs": ["w1 w2", "w5"]})"),
            json::parse("[[[2, 3, 0, 0], [2, 3, 0, 0]], [[1, 5, 0, 0]]]"));
}

TEST_F(TeiHttpTest, TokenizesAndDecodes) {
  StartServer();
  const json tokens = Answer("/tokenize", R"({"inputs": ["w1 w2", "w5"]})");
  ASSERT_EQ(tokens.size(), 2u);
  ASSERT_EQ(tokens[0].size(), 2u);
  EXPECT_EQ(tokens[0][1]["id"], 2);
  EXPECT_EQ(tokens[0][1]["special"], false);
  for (const char* key : {"text", "start", "stop"}) EXPECT_TRUE(tokens[0][1].contains(key));
  EXPECT_EQ(Answer("/decode", R"({"ids": [1, 2]})"), json({"word word"}));
  EXPECT_EQ(Answer("/decode", R"({"ids": [[1, 2], [0, 5]]})"), json({"word word", "word"}));
  EXPECT_EQ(Answer("/decode", R"({"ids": [0, 5], "skip_special_tokens": false})"), json({"[CLS] word"}));
  EXPECT_EQ(ErrorType("/decode", R"({"ids": [5000]})", 422), "Validation");
  EXPECT_EQ(ErrorType("/decode", R"({"ids": []})", 422), "Validation");
  EXPECT_EQ(ErrorType("/decode", R"({"ids": [[1], 2]})", 422), "Validation");
  EXPECT_EQ(ErrorType("/tokenize", R"({"inputs": [[1]]})", 422), "Validation");
}

TEST_F(TeiHttpTest, ErrorsHaveTeisCodes) {
  config().limits.max_items_per_request = 2;
  StartServer();
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": []})", 400), "Empty");
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": ""})", 400), "Empty");
  EXPECT_EQ(ErrorType("/embed", "{", 400), "Validation");
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": ["a", "b", "c"]})", 422), "Validation");
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": "a", "dimensions": 9})", 422), "Validation");
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": "a", "prompt_name": "none"})", 422), "Validation");
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": "a", "truncation_direction": "Up"})", 422), "Validation");
  EXPECT_EQ(ErrorType("/embed", R"({"truncate": false, "inputs": "a b c d e f g h i j k l m n o p q"})", 422),
            "Validation");
  EXPECT_EQ(ErrorType("/tokenize", R"({"inputs": ["a", "b", "c"]})", 422), "Validation");
  EXPECT_EQ(ErrorType("/embed", R"({"inputs": "w666"})", 424), "Backend");
  for (const char* path : {"/predict", "/rerank", "/embed_sparse"}) {
    EXPECT_EQ(ErrorType(path, R"({"inputs": "a"})", 424), "Backend") << path;
  }
}

TEST_F(TeiHttpTest, InfoAndHealth) {
  StartServer();
  const json info = Get("/info").Json();
  EXPECT_EQ(info["model_id"], "fake");
  EXPECT_EQ(info["model_sha"], "f00d");
  EXPECT_EQ(info["model_dtype"], "fp32");
  EXPECT_EQ(info["model_type"], json::parse(R"({"embedding": {"pooling": "mean"}})"));
  EXPECT_EQ(info["max_input_length"], 16);
  EXPECT_EQ(info["max_client_batch_size"], 1024);
  EXPECT_EQ(info["auto_truncate"], true);
  for (const char* key : {"max_concurrent_requests", "max_batch_tokens", "max_batch_requests", "tokenization_workers",
                          "version", "sha", "docker_label"}) {
    EXPECT_TRUE(info.contains(key)) << key;
  }
  EXPECT_EQ(Get("/health").status, 200);
  EXPECT_EQ(Get("/ping").status, 200);
}

}  // namespace
}  // namespace attendant::testing
