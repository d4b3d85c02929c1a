// What a tokenizer.json may not be: each case names the key and what is wrong, and none gets through or dies.
#include "engine/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/engine/tokenizer/test_tokenizers.h"

namespace attendant {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

json Small() {
  return json::parse(R"({"version": "1.0",
    "added_tokens": [{"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                   "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}}},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[CLS]": 1, "a": 2}}})");
}

struct Case {
  const char* pointer;  // JSON pointer of what is replaced
  const char* value;    // JSON; "" removes it
  absl::StatusCode code;
  const char* message;  // must be in the error
};

constexpr Case kCases[] = {
    {"/version", R"("2.0")", kUnimplemented, "version"},
    {"/version", "1", kInvalid, "version must be a string, found number"},
    {"/model", "", kInvalid, "model"},
    {"/model", "[]", kInvalid, "model must be an object, found array"},
    {"/model/type", R"("Unigram")", kUnimplemented, "model.type \"Unigram\" is not supported"},
    {"/model/type", R"("BPE")", kUnimplemented, "\"BPE\""},
    {"/model/unk_token", "", kInvalid, "model.unk_token is missing"},
    {"/model/unk_token", R"("<unk>")", kInvalid, "\"<unk>\" is not in model.vocab"},
    {"/model/unk_token", "null", kInvalid, "model.unk_token must be a string, found null"},
    {"/model/continuing_subword_prefix", "7", kInvalid, "model.continuing_subword_prefix must be a string"},
    {"/model/max_input_chars_per_word", "-1", kInvalid, "model.max_input_chars_per_word is -1"},
    {"/model/max_input_chars_per_word", "1e3", kInvalid, "model.max_input_chars_per_word must be an integer"},
    {"/model/max_input_chars_per_word", "18446744073709551615", kInvalid, "model.max_input_chars_per_word is 1844"},
    {"/model/vocab", "", kInvalid, "model.vocab is missing"},
    {"/model/vocab", R"([["a", 1]])", kInvalid, "model.vocab must be an object, found array"},
    {"/model/vocab/a", "-1", kInvalid, "model.vocab has -1 for token \"a\""},
    {"/model/vocab/a", "1", kInvalid, "model.vocab has the id 1 twice"},
    {"/model/vocab/a", "16777216", kInvalid, "model.vocab has 16777216"},
    {"/model/vocab/a", "18446744073709551615", kInvalid, "model.vocab has 18446744073709551615"},
    {"/model/vocab/a", "2.5", kInvalid, "model.vocab has number"},
    {"/model/vocab/a", R"("2")", kInvalid, "model.vocab has string"},
    {"/added_tokens", "{}", kInvalid, "added_tokens must be an array, found object"},
    {"/added_tokens/0", "7", kInvalid, "added_tokens[0] must be an object"},
    {"/added_tokens/0/id", "-2", kInvalid, "added_tokens[0].id is -2"},
    {"/added_tokens/0/id", "2", kInvalid, "added_tokens[0].id is 2; by the vocabulary \"[CLS]\" has the id 1"},
    {"/added_tokens/0/content", R"("[NEW]")", kInvalid, "added_tokens[0].id is 1; by the vocabulary"},
    {"/added_tokens/0/lstrip", "0", kInvalid, "added_tokens[0].lstrip must be true or false, found number"},
    {"/added_tokens/0/special", "", kInvalid, "added_tokens[0].special is missing"},
    {"/normalizer/type", R"("NFKC")", kUnimplemented, "normalizer.type \"NFKC\" is not supported"},
    {"/normalizer/type", "", kInvalid, "normalizer.type is missing"},
    {"/normalizer/lowercase", R"("yes")", kInvalid, "normalizer.lowercase must be true or false, found string"},
    {"/normalizer/strip_accents", "0", kInvalid, "normalizer.strip_accents must be true or false"},
    {"/normalizer", R"({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Replace"}]})", kUnimplemented,
     "normalizer.normalizers[1].type \"Replace\""},
    {"/normalizer", R"({"type": "Sequence"})", kInvalid, "normalizer.normalizers is missing; it must be an array"},
    {"/pre_tokenizer/type", R"("ByteLevel")", kUnimplemented, "pre_tokenizer.type \"ByteLevel\""},
    {"/post_processor/type", R"("ByteLevel")", kUnimplemented, "post_processor.type \"ByteLevel\""},
    {"/post_processor/single", "[]", kInvalid, "post_processor.single must hold the sequence A once and no B"},
    {"/post_processor/pair/1/Sequence/id", R"("A")", kInvalid, "post_processor.pair must hold the sequences A and B"},
    {"/post_processor/pair/1/Sequence/id", R"("C")", kInvalid, "is neither \"A\" nor \"B\""},
    {"/post_processor/single/0", "{}", kInvalid, "post_processor.single[0].SpecialToken"},
    {"/post_processor/single/0/SpecialToken/type_id", "-1", kInvalid, "type_id is -1"},
    {"/post_processor/special_tokens/[CLS]", "", kInvalid, "post_processor.special_tokens.[CLS]"},
    {"/post_processor/special_tokens/[CLS]/ids/0", "77", kInvalid, "the id 77, which is not in the vocabulary"},
    {"/post_processor/special_tokens/[CLS]/ids", "[-1]", kInvalid, "ids[0] is -1"},
    {"/post_processor", R"({"type": "BertProcessing", "sep": ["[SEP]", 1]})", kInvalid, "post_processor.cls"},
    {"/post_processor", R"({"type": "BertProcessing", "sep": ["[SEP]"], "cls": ["[CLS]", 1]})", kInvalid,
     "post_processor.sep"},
};

TEST(TokenizerJsonTest, TheUnchangedFileIsRight) {
  const auto tokenizer = Tokenizer::FromJson(Small().dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("A a", {}).input_ids, (std::vector<int32_t>{1, 2, 2}));
}

TEST(TokenizerJsonTest, ErrorsNameKeyAndFault) {
  for (const Case& c : kCases) {
    json definition = Small();
    const json::json_pointer pointer(c.pointer);
    if (c.value[0] != '\0') {
      definition[pointer] = json::parse(c.value);
    } else {
      definition[pointer.parent_pointer()].erase(pointer.back());
    }
    const absl::Status status = Tokenizer::FromJson(definition.dump()).status();
    EXPECT_EQ(status.code(), c.code) << c.pointer << " = " << c.value << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.pointer << " = " << c.value;
    EXPECT_THAT(std::string(status.message()), HasSubstr("tokenizer.json: "));
  }
}

TEST(TokenizerJsonTest, WhatIsNotJson) {
  for (const std::string text :
       {"", "{", "nul", "{\"model\": \"\\ud800\"}", "{\"a\": 1e999}", "\xff", "{}{}", "[]", "7", "null"}) {
    EXPECT_EQ(Tokenizer::FromJson(text).status().code(), kInvalid) << text;
  }
}

TEST(TokenizerJsonTest, VocabularyEntriesOfTheWrongKind) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"[UNK]": 0, "a": 1, "a": 2})", "model.vocab has the token \"a\" twice"},
      {R"({"[UNK]": 0, "a": {"b": 1}})", "model.vocab has an object for token \"a\""},
      {R"({"[UNK]": 0, "a": [1, {"b": 2}]})", "model.vocab has an array for token \"a\""},
      {R"({})", "model.unk_token \"[UNK]\" is not in model.vocab"},
      {R"([0, 1])", "model.vocab must be an object, found array"}};
  for (const auto& [vocab, message] : cases) {
    const std::string text = std::string(R"({"model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": )") + vocab +
                             R"(, "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}})";
    const absl::Status status = Tokenizer::FromJson(text).status();
    EXPECT_EQ(status.code(), kInvalid) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

// The vocabulary is read apart from the rest; objects of the same name elsewhere are not it.
TEST(TokenizerJsonTest, OnlyTheModelsVocabIsTheVocabulary) {
  json definition = Small();
  definition["vocab"] = {{"x", 7}};
  definition["decoder"] = {{"model", {{"vocab", {{"y", 8}}}}}, {"vocab", {{"z", 9}}}};
  definition["model"]["other"] = {{"vocab", {{"w", 10}}}};
  const auto tokenizer = Tokenizer::FromJson(definition.dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 3);
  EXPECT_EQ((*tokenizer)->TokenToId("a"), 2);
  for (const char* token : {"x", "y", "z", "w"}) EXPECT_EQ((*tokenizer)->TokenToId(token), std::nullopt);
}

TEST(TokenizerJsonTest, DeepNestingIsRefused) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string text;
    for (int i = 0; i < 1000000; ++i) text += open;
    const absl::Status status = Tokenizer::FromJson(text).status();
    EXPECT_EQ(status.code(), kInvalid);
    EXPECT_THAT(std::string(status.message()), HasSubstr("nested deeper than 64 levels"));
  }
  // Brackets in strings are not nesting.
  json definition = Small();
  definition["comment"] = std::string(1000, '[') + "\\\"" + std::string(1000, '{');
  EXPECT_TRUE(Tokenizer::FromJson(definition.dump()).ok());
}

TEST(TokenizerJsonTest, TruncationPaddingAndDecoderAreIgnored) {
  json definition = Small();
  definition["truncation"] = {{"max_length", 1}};
  definition["padding"] = {{"strategy", {{"Fixed", 128}}}};
  definition["decoder"] = "anything";
  const auto tokenizer = Tokenizer::FromJson(definition.dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("a a a", {}).input_ids.size(), 4u);
}

TEST(TokenizerJsonTest, AddedTokensBeyondTheVocabularyGetTheNextIds) {
  json definition = Small();
  json token = definition["added_tokens"][0];
  token["content"] = "[NEW]";
  token["id"] = 3;
  definition["added_tokens"].push_back(token);
  const auto tokenizer = Tokenizer::FromJson(definition.dump());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->vocab_size(), 4);
  EXPECT_EQ((*tokenizer)->Encode("a[NEW]a", {}).input_ids, (std::vector<int32_t>{1, 2, 3, 2}));
  definition["added_tokens"].push_back(token);
  EXPECT_THAT(std::string(Tokenizer::FromJson(definition.dump()).status().message()),
              HasSubstr("added_tokens[2] is there twice"));
}

TEST(TokenizerJsonTest, TooManyNormalizerStepsAreRefused) {
  json definition = Small();
  json sequence = {{"type", "Sequence"}, {"normalizers", json::array()}};
  for (int i = 0; i < 1000; ++i) sequence["normalizers"].push_back({{"type", "NFD"}});
  definition["normalizer"] = sequence;
  EXPECT_EQ(Tokenizer::FromJson(definition.dump()).status().code(), kUnimplemented);
}

TEST(TokenizerJsonTest, TrimmingNeedsTokensWithoutSpaces) {
  json definition = Small();
  definition["post_processor"] = json::parse(
      R"({"type": "RobertaProcessing", "sep": ["a", 2], "cls": ["[CLS]", 1], "trim_offsets": true, "add_prefix_space": false})");
  EXPECT_TRUE(Tokenizer::FromJson(definition.dump()).ok());
  definition["model"]["vocab"]["\u0120x"] = 3;
  EXPECT_THAT(std::string(Tokenizer::FromJson(definition.dump()).status().message()),
              HasSubstr("post_processor.trim_offsets is not supported"));
}

}  // namespace
}  // namespace attendant
