#include "server/http/api/native.h"

#include <gmock/gmock.h>

#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "tests/server/http/api/api_fixture.h"

namespace attendant::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class NativeJsonTest : public ApiTest {
 protected:
  json Call(const std::string& method, const std::string& body, int status = 200) {
    const HttpAnswer answer = Post("/attendant/v1/" + method, body);
    EXPECT_EQ(answer.status, status) << body << answer.body;
    return answer.Json();
  }
};

TEST_F(NativeJsonTest, EmbedKeepsTheStatusOfEachItem) {
  StartServer();
  const json answer = Call("Embed", R"({"items": [{"text": "w1 w2"}, {"text": ""},
      {"pair": {"first": "a", "second": "b"}}, {"tokens": {"inputIds": [1, 2]}}, {"tokens": {"input_ids": [7]}}],
      "includeMetadata": true})");
  EXPECT_EQ(answer["model"], "fake");
  EXPECT_EQ(answer["modelFingerprint"], "f00d");
  ASSERT_EQ(answer["results"].size(), 5u);
  EXPECT_EQ(answer["results"][0],
            json::parse(R"({"embedding": {"values": [2, 3, 0, 0], "shape": [4]}, "tokensUsed": 2})"));
  EXPECT_EQ(answer["results"][1]["status"]["field"], "items[1].text");
  EXPECT_EQ(answer["results"][1]["status"]["code"], 3);
  EXPECT_EQ(answer["results"][4]["embedding"]["values"][1], 7);
  EXPECT_TRUE(answer["metadata"].contains("totalUs"));
}

TEST_F(NativeJsonTest, ErrorsHaveCodeMessageAndField) {
  StartServer();
  const json error = Call("Embed", "{}", 400)["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["field"], "items");
  EXPECT_EQ(Call("Embed", R"({"items": [{"text": "a"}], "model": "none"})", 404)["error"]["code"], "NOT_FOUND");
  for (const char* body :
       {"{", "[]", "5", R"({"nothing": 1})", R"({"items": 5})", R"({"items": [{"text": 5}]})",
        R"({"items": [{"text": "a", "text": "b"}]})", "{\"model\": \"\xff\"}", R"({"serviceClass": "URGENT"})"}) {
    const json refused = Call("Embed", body, 400)["error"];
    EXPECT_EQ(refused["code"], "INVALID_ARGUMENT") << body;
    EXPECT_EQ(refused["field"], "(body)") << body << refused;
  }
  std::string deep = "{\"items\":";
  for (int i = 0; i < 10'000; ++i) deep += "[";
  EXPECT_THAT(Call("Embed", deep, 400)["error"]["message"].get<std::string>(), HasSubstr("nested"));
}

TEST_F(NativeJsonTest, AttentionIsAHeaderAndBase64) {
  StartServer();
  const json answer = Call("GetAttention", R"({"item": {"text": "w1 w2"}, "layers": [1]})");
  EXPECT_EQ(answer["header"]["shape"], json({1, 3, 2, 2}));
  EXPECT_EQ(answer["header"]["tokens"].size(), 2u);
  std::string bytes;
  ASSERT_TRUE(absl::Base64Unescape(answer["values_base64"].get<std::string>(), &bytes));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  EXPECT_EQ(values, std::vector<float>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(Call("GetAttention", "{}", 400)["error"]["field"], "item");
}

TEST_F(NativeJsonTest, TokenizeAndModels) {
  StartServer();
  const json tokens = Call("Tokenize", R"({"items": [{"text": "w1 w2"}]})");
  EXPECT_EQ(tokens["results"][0]["tokens"][1]["id"], 2);
  const json list = Call("ListModels", "");
  ASSERT_EQ(list["models"].size(), 1u);
  EXPECT_EQ(list["models"][0]["name"], "fake");
  EXPECT_EQ(list["models"][0]["limits"]["maxItemsPerRequest"], 1024);
  EXPECT_EQ(Call("GetModel", R"({"name": "fake"})"), list["models"][0]);
  EXPECT_EQ(Call("GetModel", R"({"name": "none"})", 404)["error"]["code"], "NOT_FOUND");
}

TEST_F(NativeJsonTest, RankAndSimilarity) {
  StartServer();
  const json ranked =
      Call("Rank", R"({"query": {"text": "w1"}, "items": [{"text": "w5 w5"}, {"text": "w1"}], "topK": 1})");
  ASSERT_EQ(ranked["results"].size(), 1u);
  EXPECT_EQ(ranked["results"][0]["index"], 1);
  const json similar = Call("Similarity", R"({"items": [{"text": "w1"}, {"text": ""}]})");
  EXPECT_EQ(similar["rows"], 2);
  EXPECT_NEAR(similar["values"][0].get<double>(), 1, 1e-6);
  EXPECT_EQ(similar["values"][3], "NaN");
  EXPECT_EQ(similar["failures"][0]["index"], 1);
  std::string many = "{\"items\": [{\"text\": \"w1\"}";
  for (int i = 1; i < 100; ++i) many += ",{\"text\": \"w1\"}";
  EXPECT_EQ(Call("Similarity", many + "]}")["values"].size(), 10'000u);
}

TEST_F(NativeJsonTest, ALargeAnswerIsStreamed) {
  config().limits.max_items_per_request = 3000;
  StartServer();
  std::string body = "{\"items\": [";
  for (int i = 0; i < 3000; ++i)
    body += std::string(i > 0 ? "," : "") + "{\"text\": \"w" + std::to_string(i % 600) + "\"}";
  const HttpAnswer answer = Post("/attendant/v1/Embed", body + "]}");
  EXPECT_EQ(answer.Header("Transfer-Encoding"), "chunked");
  const json results = answer.Json()["results"];
  ASSERT_EQ(results.size(), 3000u);
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(results[i]["embedding"]["values"][1], i % 600);
}

}  // namespace
}  // namespace attendant::testing
