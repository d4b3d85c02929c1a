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

std::vector<InputWindow> Windows(const Embedder& embedder, const Input& input, const TokenizeOptions& options,
                                 const WindowLimits& limits) {
  auto outcome = embedder.TokenizeWindows(input, options, limits);
  if (auto* error = std::get_if<InputError>(&outcome)) {
    ADD_FAILURE() << error->status;
    return {};
  }
  return std::get<std::vector<InputWindow>>(std::move(outcome));
}

std::string FieldOfWindows(const Embedder& embedder, const Input& input, const WindowLimits& limits) {
  auto outcome = embedder.TokenizeWindows(input, {.prompt_text = ""}, limits);
  auto* error = std::get_if<InputError>(&outcome);
  return error == nullptr ? "" : error->field;
}

// With prompts of no, two and more tokens, at several sizes and overlaps.
TEST_F(InputTokenizerTest, WindowsHoldAllOfTheTextEachWithPromptAndSpecialTokens) {
  const std::string text = "the old house was small and the new house is large but the river runs fast to the bank";
  for (const char* prompt : {"", "query: ", "what is the "}) {
    const TokenizeOptions options{.prompt_text = prompt};
    const Embedder& embedder = Get("tiny-mean");
    TokenizeOptions uncut = options;
    const std::vector<int32_t> whole = Good(TextInput{text}, uncut).sequence.input_ids;
    const size_t prompt_tokens =
        std::string(prompt).empty() ? 0 : Good(TextInput{prompt}, {.prompt_text = ""}).sequence.input_ids.size() - 2;
    for (const int32_t size : {8, 11, static_cast<int32_t>(whole.size()) - 1}) {
      for (const int32_t overlap : {0, 2}) {
        const WindowLimits limits{.size = size, .overlap = overlap, .max_windows = 100};
        const auto windows = Windows(embedder, TextInput{text}, options, limits);
        ASSERT_GT(windows.size(), 1u);
        std::vector<int32_t> together(whole.begin(), whole.begin() + 1 + static_cast<std::ptrdiff_t>(prompt_tokens));
        int32_t covered = 0;
        for (const InputWindow& window : windows) {
          const std::vector<int32_t>& ids = window.sequence.input_ids;
          ASSERT_LE(ids.size(), static_cast<size_t>(size));
          EXPECT_EQ(ids.front(), kCls);
          EXPECT_EQ(ids.back(), kSep);
          EXPECT_EQ(window.sequence.token_type_ids.size(), ids.size());
          EXPECT_EQ(static_cast<size_t>(window.content_tokens), ids.size() - 2 - prompt_tokens);
          const auto text_begin = ids.begin() + 1 + static_cast<std::ptrdiff_t>(prompt_tokens);
          EXPECT_TRUE(std::equal(ids.begin(), text_begin, whole.begin())) << "the prompt is in front";
          const bool first = &window == &windows.front();
          together.insert(together.end(), text_begin + (first ? 0 : overlap), ids.end() - 1);
          EXPECT_LE(window.chars.start, covered + 1) << "but for a space";
          EXPECT_GT(window.chars.end, covered);
          covered = window.chars.end;
        }
        together.push_back(kSep);
        EXPECT_EQ(together, whole) << prompt << size << " " << overlap;
        EXPECT_EQ(windows.front().chars.start, 0);
        EXPECT_EQ(covered, static_cast<int32_t>(text.size()));
      }
    }
  }
}

TEST_F(InputTokenizerTest, WhatFitsIsOneWindowJustAsWithoutThem) {
  const std::string text = "what is water?";
  const TokenizedItem plain = Good(TextInput{text}, {.prompt_name = "query"});
  const auto windows = Windows(Get("tiny-mean"), TextInput{text}, {.prompt_name = "query"}, {.max_windows = 1});
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].sequence.input_ids, plain.sequence.input_ids);
  EXPECT_EQ(windows[0].sequence.pooling_start, plain.sequence.pooling_start);
  EXPECT_EQ(windows[0].chars, (Offset{0, static_cast<int32_t>(text.size())}));
}

TEST_F(InputTokenizerTest, APromptThatPoolingLeavesOutIsLeftOutOfEveryWindow) {
  std::string text = "cat";
  for (int i = 0; i < 100; ++i) text += " dog";
  const auto windows = Windows(Get("dense-prompt"), TextInput{text}, {.prompt_name = "query"}, {.max_windows = 9});
  ASSERT_GT(windows.size(), 1u);
  for (const InputWindow& window : windows) EXPECT_GT(window.sequence.pooling_start, 0);
}

TEST_F(InputTokenizerTest, IdsAreCutIntoWindowsIfTheyAreNotComplete) {
  std::vector<int32_t> ids(150);
  std::iota(ids.begin(), ids.end(), 5);
  for (int32_t& id : ids) id = 5 + id % 90;
  const IdsInput open{ids, {}, true};
  const auto windows = Windows(Get("tiny-mean"), open, {}, {.overlap = 0, .max_windows = 100});
  ASSERT_EQ(windows.size(), 3u);  // 62 beside two special tokens
  EXPECT_EQ(windows[2].content_tokens, 150 - 2 * 62);
  EXPECT_EQ(windows[1].sequence.input_ids[1], ids[62]);
  EXPECT_EQ(windows[0].chars, Offset());
  EXPECT_EQ(FieldOfWindows(Get("tiny-mean"), IdsInput{ids, {}, false}, {.max_windows = 100}), "tokens.input_ids");
}

TEST_F(InputTokenizerTest, WindowsThatCannotBeAreNamed) {
  std::string text = "cat";
  for (int i = 0; i < 100; ++i) text += " dog";
  const Embedder& embedder = Get("tiny-mean");
  EXPECT_EQ(FieldOfWindows(embedder, TextInput{text}, {.size = 2, .max_windows = 1000}), "window.size");
  EXPECT_EQ(FieldOfWindows(embedder, TextInput{text}, {.size = 10, .overlap = 8, .max_windows = 1000}),
            "window.overlap");
  EXPECT_EQ(FieldOfWindows(embedder, TextInput{text}, {.size = 10, .overlap = -1, .max_windows = 1000}),
            "window.overlap");
  EXPECT_EQ(FieldOfWindows(embedder, TextInput{text}, {.size = 10, .overlap = 7, .max_windows = 1000}), "");
  EXPECT_EQ(FieldOfWindows(embedder, TextInput{text}, {.max_windows = 1}), "text");
  EXPECT_EQ(FieldOfWindows(embedder, PairInput{text, text}, {.max_windows = 1000}), "pair");
  EXPECT_EQ(Bad(TextInput{text}, {.truncation = Truncation::kWindow}).field, "truncation");
}

TEST_F(InputTokenizerTest, ThePromptIsCountedInCodePoints) {
  EXPECT_EQ(Good(TextInput{"cat"}, {.prompt_text = "é漢: "}).prompt_chars, 4);
  EXPECT_EQ(Good(TextInput{"cat"}, {.prompt_text = ""}).prompt_chars, 0);
}

}  // namespace
}  // namespace attendant
