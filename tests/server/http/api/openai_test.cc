#include "server/http/api/openai.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "tests/server/http/api/api_fixture.h"

namespace attendant::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kPath[] = "/v1/embeddings";

class OpenAiTest : public ApiTest {
 protected:
  json Embeddings(const std::string& body) {
    const HttpAnswer answer = Post(kPath, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.Json();
  }

  json ErrorOf(const std::string& body, int status = 400) {
    const HttpAnswer answer = Post(kPath, body);
    EXPECT_EQ(answer.status, status) << body << answer.body;
    EXPECT_EQ(answer.Header("Content-Type"), "application/json");
    const json error = answer.Json()["error"];
    for (const char* key : {"message", "type", "param", "code"}) EXPECT_TRUE(error.contains(key)) << error;
    return error;
  }
};

TEST_F(OpenAiTest, AnswersInOpenAisShape) {
  StartServer();
  const json answer = Embeddings(R"({"input": ["w1 w2", "w5"], "model": "fake", "user": "u"})");
  EXPECT_EQ(answer, json::parse(R"({"object": "list", "model": "fake",
      "data": [{"object": "embedding", "index": 0, "embedding": [2, 3, 0, 0]},
               {"object": "embedding", "index": 1, "embedding": [1, 5, 0, 0]}],
      "usage": {"prompt_tokens": 3, "total_tokens": 3}})"));
  EXPECT_EQ(Embeddings(R"({"input": "w7"})")["data"][0]["embedding"], json({1, 7, 0, 0}));
}

TEST_F(OpenAiTest, Base64IsTheSameBytesAsFloat32) {
  StartServer();
  const json answer = Embeddings(R"({"input": "w1 w2", "model": "fake", "encoding_format": "base64"})");
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(answer["data"][0]["embedding"].get<std::string>(), &bytes));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  EXPECT_EQ(values, std::vector<float>({2, 3, 0, 0}));
}

TEST_F(OpenAiTest, TokenIdsNeedTheCallersWordAboutTheirVocabulary) {
  StartServer();
  for (const char* input : {"[1, 2]", "[[1, 2], [3]]", "[\"a\", [1]]"}) {
    const json error = ErrorOf(std::string("{\"input\": ") + input + "}");
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("check_embedding_ctx_length=False"));
    EXPECT_THAT(error["param"].get<std::string>(), HasSubstr("input"));
  }
  const json answer = Embeddings(R"({"input": [[1, 2], [3]], "vocabulary": "model"})");
  EXPECT_EQ(answer["data"][0]["embedding"], json({2, 3, 0, 0}));
  EXPECT_EQ(answer["data"][1]["embedding"], json({1, 3, 0, 0}));
  EXPECT_EQ(Embeddings(R"({"input": [4, 5], "vocabulary": "model"})")["data"].size(), 1u);
  EXPECT_EQ(ErrorOf(R"({"input": [[1], [2000]], "vocabulary": "model"})")["param"], "input[1]");
  for (const char* id : {"-1", "1.5", "\"a\"", "4294967296", "[1]", "null"}) {
    const std::string body = std::string("{\"vocabulary\": \"model\", \"input\": [[1, ") + id + "]]}";
    EXPECT_EQ(ErrorOf(body)["param"], "input[0][1]") << id;
  }
}

TEST_F(OpenAiTest, DimensionsCutAndNormaliseAgain) {
  StartServer();
  const json answer = Embeddings(R"({"input": "w1 w3", "dimensions": 2})");
  const auto vector = answer["data"][0]["embedding"].get<std::vector<double>>();
  ASSERT_EQ(vector.size(), 2u);
  EXPECT_NEAR(vector[0], 2 / std::sqrt(20.0), 1e-6);
  EXPECT_NEAR(vector[1], 4 / std::sqrt(20.0), 1e-6);
  EXPECT_EQ(ErrorOf(R"({"input": "a", "dimensions": 5})")["param"], "dimensions");
  EXPECT_EQ(ErrorOf(R"({"input": "a", "dimensions": 0})")["param"], "dimensions");
  const json untrained = ErrorOf(R"({"input": "a", "dimensions": 3})");
  EXPECT_EQ(untrained["param"], "dimensions");
  EXPECT_THAT(untrained["message"].get<std::string>(), HasSubstr("allow_untrained_dimensions"));
  EXPECT_EQ(Embeddings(R"({"input": "a", "dimensions": 3, "allow_untrained_dimensions": true})")["data"][0]["embedding"]
                .size(),
            3u);
  EXPECT_EQ(ErrorOf(R"({"input": "a", "dimensions": 18446744073709551615})")["param"], "dimensions");
}

TEST_F(OpenAiTest, ErrorsNameTheParameter) {
  config().limits.max_items_per_request = 3;
  StartServer();
  EXPECT_EQ(ErrorOf("{}")["param"], "input");
  EXPECT_EQ(ErrorOf(R"({"input": []})")["param"], "input");
  EXPECT_EQ(ErrorOf(R"({"input": ""})")["param"], "input");
  EXPECT_EQ(ErrorOf(R"({"input": ["a", " "]})")["param"], "input[1]");
  EXPECT_EQ(ErrorOf(R"({"input": 5})")["param"], "input");
  EXPECT_EQ(ErrorOf(R"({"input": ["a", 5]})")["param"], "input[1]");
  EXPECT_EQ(ErrorOf(R"({"input": "a", "encoding_format": "int4"})")["param"], "encoding_format");
  EXPECT_EQ(ErrorOf(R"({"input": "a", "model": 5})")["param"], "model");
  EXPECT_EQ(ErrorOf(R"({"input": "a", "prompt_name": "none"})")["param"], "prompt_name");
  const json many = ErrorOf(R"({"input": ["a", "b", "c", "d"]})");
  EXPECT_EQ(many["param"], "input");
  EXPECT_THAT(many["message"].get<std::string>(), HasSubstr("--max-items-per-request"));
  EXPECT_THAT(ErrorOf(R"({"input": "a", "temperature": 1})")["message"].get<std::string>(), HasSubstr("temperature"));
  EXPECT_EQ(ErrorOf("[]")["type"], "invalid_request_error");
  EXPECT_THAT(ErrorOf("{\"input\": \"a\"")["message"].get<std::string>(), HasSubstr("syntax"));
  const json model = ErrorOf(R"({"input": "a", "model": "text-embedding-3-small"})", 404);
  EXPECT_EQ(model["code"], "model_not_found");
  EXPECT_EQ(model["param"], "model");
  EXPECT_THAT(model["message"].get<std::string>(), HasSubstr("\"fake\""));
}

TEST_F(OpenAiTest, TruncationIsTheCallersChoice) {
  StartServer();
  const std::string text = "\"a b c d e f g h i j k l m n o p q\"";
  EXPECT_EQ(Embeddings("{\"input\": " + text + "}")["usage"]["prompt_tokens"], 16);
  EXPECT_EQ(ErrorOf("{\"truncate\": false, \"input\": " + text + "}")["param"], "input");
  EXPECT_EQ(Embeddings(R"({"input": "w5", "prompt_name": "query"})")["usage"]["prompt_tokens"], 3);
}

TEST_F(OpenAiTest, AValueThatIsNotFiniteFailsTheCall) {
  StartServer();
  EXPECT_EQ(ErrorOf(R"({"input": ["a", "w666"]})", 500)["type"], "server_error");
}

TEST_F(OpenAiTest, ListsModels) {
  StartServer();
  const json list = Get("/v1/models").Json();
  ASSERT_EQ(list["data"].size(), 1u);
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "fake");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_GT(list["data"][0]["created"].get<int64_t>(), 1'500'000'000);
  EXPECT_EQ(Get("/v1/models/fake").Json(), list["data"][0]);
  const HttpAnswer none = Get("/v1/models/org/none");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(none.Json()["error"]["code"], "model_not_found");
}

TEST_F(OpenAiTest, ALargeAnswerIsStreamed) {
  config().limits.max_items_per_request = 3000;
  StartServer();
  std::string body = "{\"input\": [\"w1\"";
  for (int i = 1; i < 3000; ++i) body += ",\"w" + std::to_string(i % 600) + "\"";
  const HttpAnswer answer = Post(kPath, body + "]}");
  EXPECT_EQ(answer.Header("Transfer-Encoding"), "chunked");
  const json data = answer.Json()["data"];
  ASSERT_EQ(data.size(), 3000u);
  for (int i = 0; i < 3000; ++i) {
    EXPECT_EQ(data[i]["index"], i);
    EXPECT_EQ(data[i]["embedding"][1], i == 0 ? 1 : i % 600);
  }
  const std::string old =
      "POST /v1/embeddings HTTP/1.0\r\nContent-Length: " + std::to_string(body.size() + 2) + "\r\n\r\n";
  EXPECT_EQ(Exchange(old + body + "]}").Json()["data"], data) << "without chunks for HTTP/1.0";
}

}  // namespace
}  // namespace attendant::testing
