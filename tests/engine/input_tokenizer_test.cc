// The rules between a caller's input and a token sequence, through the embedder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "engine/embedder.h"
#include "tests/engine/model/model_fixture.h"

namespace attendant {
namespace {

using testing::HasSubstr;

class InputTokenizerTest : public testing::Test {
 protected:
  static const Embedder& Get(const std::string& name) {
    static std::map<std::string, std::unique_ptr<Embedder>> embedders;
    auto& embedder = embedders[name];
    if (embedder == nullptr) embedder = Embedder::Load({.model_dir = ModelDir(name)}).value();
    return *embedder;
  }
  static TokenizedItem Good(const Input& input, const TokenizeOptions& options = {},
                            const std::string& model = "tiny-mean") {
    auto outcome = Get(model).Tokenize(input, options);
    EXPECT_TRUE(std::holds_alternative<TokenizedItem>(outcome));
    if (auto* error = std::get_if<InputError>(&outcome)) {
      ADD_FAILURE() << error->status;
      return {};
    }
    return std::get<TokenizedItem>(std::move(outcome));
  }
  static InputError Bad(const Input& input, const TokenizeOptions& options = {},
                        const std::string& model = "tiny-mean") {
    auto outcome = Get(model).Tokenize(input, options);
    auto* error = std::get_if<InputError>(&outcome);
    if (error == nullptr) {
      ADD_FAILURE() << "no error";
      return {};
    }
    EXPECT_EQ(error->status.code(), absl::StatusCode::kInvalidArgument);
    return *error;
  }
};

constexpr int32_t kCls = 2, kSep = 3;

TEST_F(InputTokenizerTest, TextsGetTheIdsOfSentenceTransformersCutAtItsLength) {
  for (const std::string& name : ModelNames()) {
    const nlohmann::json expected = Expected(name);
    const TokenizeOptions no_prompt{.prompt_text = ""};
    for (size_t i = 0; i < expected["texts"].size(); ++i) {
      const std::string text = expected["texts"][i];
      EXPECT_EQ(Good(TextInput{text}, no_prompt, name).sequence.input_ids,
                expected["token_ids"][i].get<std::vector<int32_t>>())
          << name << ": " << text;
    }
    for (const auto& pair : expected["pairs"]) {
      const std::string first = pair["first"], second = pair["second"];
      const TokenizedItem item = Good(PairInput{first, second}, {}, name);
      EXPECT_EQ(item.sequence.input_ids, pair["ids"].get<std::vector<int32_t>>()) << name;
      EXPECT_EQ(item.sequence.token_type_ids, pair["type_ids"].get<std::vector<int32_t>>()) << name;
    }
  }
}

TEST_F(InputTokenizerTest, EmptyAndBlankTextsAreErrors) {
  EXPECT_EQ(Bad(TextInput{""}).field, "text");
  EXPECT_EQ(Bad(TextInput{" \n\u3000"}).field, "text");
  EXPECT_THAT(std::string(Bad(TextInput{"\x01\u200b"}).status.message()), HasSubstr("no characters"));
  EXPECT_EQ(Bad(PairInput{"", "b"}).field, "pair.first");
  EXPECT_EQ(Bad(PairInput{"a", " "}).field, "pair.second");
  EXPECT_EQ(Bad(TextInput{" "}, {.prompt_name = "query"}).field, "text") << "a prompt does not make a text";
}

TEST_F(InputTokenizerTest, TruncationPolicies) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += i % 2 ? "cat " : "dog ";
  const TokenizedItem end = Good(TextInput{text});
  EXPECT_EQ(end.sequence.num_tokens(), 64);
  EXPECT_EQ(end.tokens_dropped, 38);
  EXPECT_EQ(end.sequence.input_ids, Good(TextInput{text}, {.truncation = Truncation::kEnd}).sequence.input_ids);
  const TokenizedItem start = Good(TextInput{text}, {.truncation = Truncation::kStart});
  EXPECT_EQ(start.sequence.num_tokens(), 64);
  EXPECT_EQ(start.tokens_dropped, 38);
  EXPECT_EQ(start.offsets[1].start, 38 * 4);
  const InputError error = Bad(TextInput{text}, {.truncation = Truncation::kError});
  EXPECT_EQ(error.field, "text");
  EXPECT_THAT(std::string(error.status.message()), HasSubstr("102 tokens"));
  EXPECT_THAT(std::string(error.status.message()), HasSubstr("64"));
}

TEST_F(InputTokenizerTest, ALowerLimitOfTheCallerCountsAHigherOneDoesNot) {
  const std::string text = "cat dog cat dog cat dog";
  EXPECT_EQ(Good(TextInput{text}, {.max_tokens = 5}).sequence.num_tokens(), 5);
  EXPECT_EQ(Good(TextInput{text}, {.max_tokens = 100000}).sequence.num_tokens(), 8);
}

TEST_F(InputTokenizerTest, IdsAreUsedAsTheyAre) {
  const std::vector<int32_t> ids = {9, 0, 150, 9};
  const TokenizedItem bare = Good(IdsInput{ids, {}, false});
  EXPECT_EQ(bare.sequence.input_ids, ids);
  EXPECT_EQ(bare.sequence.token_type_ids, std::vector<int32_t>(4, 0));
  const TokenizedItem wrapped = Good(IdsInput{ids, {}, true});
  EXPECT_EQ(wrapped.sequence.input_ids, (std::vector<int32_t>{kCls, 9, 0, 150, 9, kSep}));
  const std::vector<int32_t> types = {0, 0, 1, 1};
  EXPECT_EQ(Good(IdsInput{ids, types, false}).sequence.token_type_ids, types);
}

TEST_F(InputTokenizerTest, LongIdsAreCutByThePolicy) {
  std::vector<int32_t> ids(70);
  std::iota(ids.begin(), ids.end(), 5);
  EXPECT_EQ(Good(IdsInput{ids, {}, false}).sequence.input_ids.back(), 5 + 63);
  EXPECT_EQ(Good(IdsInput{ids, {}, false}, {.truncation = Truncation::kStart}).sequence.input_ids.front(), 5 + 6);
  EXPECT_EQ(Good(IdsInput{ids, {}, true}).sequence.input_ids.back(), kSep);
  EXPECT_EQ(Good(IdsInput{ids, {}, true}).tokens_dropped, 8);
  EXPECT_EQ(Bad(IdsInput{ids, {}, false}, {.truncation = Truncation::kError}).field, "tokens.input_ids");
}

TEST_F(InputTokenizerTest, WrongIdsAreNamed) {
  const int32_t vocab = Get("tiny-mean").info().vocab_size;
  const std::vector<int32_t> high = {2, 9, vocab, 3}, low = {-1}, good = {2, 3}, types = {0, 2}, few = {0};
  EXPECT_EQ(Bad(IdsInput{high, {}, false}).field, "tokens.input_ids[2]");
  EXPECT_EQ(Bad(IdsInput{low, {}, true}).field, "tokens.input_ids[0]");
  EXPECT_EQ(Bad(IdsInput{{}, {}, true}).field, "tokens.input_ids");
  EXPECT_EQ(Bad(IdsInput{good, types, false}).field, "tokens.token_type_ids[1]");
  EXPECT_EQ(Bad(IdsInput{good, few, false}).field, "tokens.token_type_ids");
}

TEST_F(InputTokenizerTest, PairsNeedTwoTokenTypes) {
  EXPECT_EQ(Bad(PairInput{"a", "b"}, {}, "sinusoidal-sqrt").field, "pair");
}

TEST_F(InputTokenizerTest, PromptsByNameTextAndDefault) {
  const auto ids = [](const std::string& text) {
    return Good(TextInput{text}, {.prompt_text = ""}).sequence.input_ids;
  };
  EXPECT_EQ(Good(TextInput{"cat"}, {.prompt_name = "query"}).sequence.input_ids, ids("query: cat"));
  EXPECT_EQ(Good(TextInput{"cat"}, {.prompt_text = "passage : "}).sequence.input_ids, ids("passage : cat"));
  EXPECT_EQ(Good(TextInput{"cat"}).sequence.input_ids, ids("cat")) << "this model has no default prompt";
  const InputError error = Bad(TextInput{"cat"}, {.prompt_name = "nonsense"});
  EXPECT_EQ(error.field, "prompt_name");
  EXPECT_THAT(std::string(error.status.message()), HasSubstr("\"passage\", \"query\""));
  const TokenizedItem by_default = Good(TextInput{"cat"}, {}, "dense-prompt");
  EXPECT_EQ(by_default.sequence.input_ids, ids("what is the query: cat"));
  EXPECT_GT(by_default.sequence.pooling_start, 0) << "its prompt does not count in the pooling";
}

}  // namespace
}  // namespace attendant
