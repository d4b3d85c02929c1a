#include "server/http/api/cohere.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/server/http/api/api_fixture.h"

namespace attendant::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class CohereTest : public ApiTest {
 protected:
  json Answer(const std::string& body) {
    const HttpAnswer answer = Post("/v2/embed", body);
    EXPECT_EQ(answer.status, 200) << body << answer.body;
    return answer.Json();
  }
  std::string ErrorOf(const std::string& body, int status = 400) {
    const HttpAnswer answer = Post("/v2/embed", body);
    EXPECT_EQ(answer.status, status) << body << answer.body;
    return answer.Json().value("message", "");
  }
};

TEST_F(CohereTest, AnswersInCoheresShape) {
  StartServer();
  const json answer = Answer(R"({"model": "fake", "texts": ["w1 w2", "w5"], "input_type": "classification",
                 "embedding_types": ["float", "base64", "float"]})");
  EXPECT_EQ(answer["embeddings"]["float"], json::parse("[[2, 3, 0, 0], [1, 5, 0, 0]]"));
  EXPECT_EQ(answer["embeddings"]["base64"], json({"AAAAQAAAQEAAAAAAAAAAAA==", "AACAPwAAoEAAAAAAAAAAAA=="}));
  EXPECT_EQ(answer["texts"], json({"w1 w2", "w5"}));
  EXPECT_EQ(answer["meta"]["billed_units"]["input_tokens"], 3);
  EXPECT_EQ(answer["meta"]["api_version"]["version"], "2");
  EXPECT_THAT(answer["id"].get<std::string>(),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(Answer(R"({"texts": ["w5"]})")["embeddings"], json::parse(R"({"float": [[1, 5, 0, 0]]})"));
  EXPECT_EQ(
      Answer(
          R"({"texts": ["w3 w1"], "output_dimension": 1, "allow_untrained_dimensions": true})")["embeddings"]["float"],
      json::parse("[[1]]"));
}

TEST_F(CohereTest, AnswersInEveryTypeFromOnePass) {
  StartServer();
  const json answer = Answer(R"({"texts": ["w1 w2", "w5"],
                                 "embedding_types": ["uint8", "int8", "ubinary", "binary", "float"]})");
  EXPECT_EQ(answer["embeddings"], json::parse(R"({"uint8": [[2, 3, 0, 0], [1, 5, 0, 0]],
                                                  "int8": [[-126, -125, -128, -128], [-127, -123, -128, -128]],
                                                  "ubinary": [[192], [192]], "binary": [[64], [64]],
                                                  "float": [[2, 3, 0, 0], [1, 5, 0, 0]]})"));
  EXPECT_EQ(answer["meta"]["billed_units"]["input_tokens"], 3);
  EXPECT_THAT(ErrorOf(R"({"texts": ["a"], "output_dimension": 3})"), HasSubstr("output_dimension: "));
}

TEST_F(CohereTest, InputTypeChoosesThePrompt) {
  StartServer();
  EXPECT_EQ(Answer(R"({"texts": ["w5"], "input_type": "search_query"})")["meta"]["billed_units"]["input_tokens"], 3);
  EXPECT_EQ(Answer(R"({"texts": ["w5"], "input_type": "search_document"})")["meta"]["billed_units"]["input_tokens"], 1);
}

TEST_F(CohereTest, InputsAreListsOfParts) {
  StartServer();
  const json answer = Answer(R"({"inputs": [{"content": [{"type": "text", "text": "w1 w2"}]},
                            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]})");
  EXPECT_EQ(answer["embeddings"]["float"][0], json({2, 3, 0, 0}));
  EXPECT_EQ(answer["texts"], json({"w1 w2", "a\nb"}));
  for (const char* inputs : {R"([{"content": [{"type": "image_url", "image_url": {}}]}])", "[5]", R"([{"content": 5}])",
                             R"([{"content": [5]}])", R"([{"content": [{"type": "text", "text": 5}]}])"}) {
    EXPECT_THAT(ErrorOf(std::string("{\"inputs\": ") + inputs + "}"), HasSubstr("inputs[0].content")) << inputs;
  }
}

TEST_F(CohereTest, ErrorsAreAMessage) {
  StartServer();
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("texts"));
  EXPECT_THAT(ErrorOf(R"({"texts": "a"})"), HasSubstr("texts"));
  EXPECT_THAT(ErrorOf(R"({"texts": [[1]]})"), HasSubstr("texts[0]"));
  EXPECT_THAT(ErrorOf(R"({"texts": ["a"], "embedding_types": ["int4"]})"), HasSubstr("embedding_types[0]"));
  EXPECT_THAT(ErrorOf(R"({"texts": ["a"], "embedding_types": []})"), HasSubstr("embedding_types"));
  EXPECT_THAT(ErrorOf(R"({"images": ["data:image/png;base64,AA=="]})"), HasSubstr("images"));
  EXPECT_THAT(ErrorOf(R"({"texts": ["a"], "input_type": "poem"})"), HasSubstr("input_type"));
  EXPECT_THAT(ErrorOf(R"({"texts": ["a b c d e f g h i j k l m n o p q"], "truncate": "NONE"})"),
              HasSubstr("texts[0]"));
  EXPECT_THAT(ErrorOf(R"({"texts": ["a"], "model": "embed-v4.0"})", 404), HasSubstr("\"fake\""));
}

}  // namespace
}  // namespace attendant::testing
