// A model directory's files: vocab.txt with its companions, and what happens when they are wrong.
#include "engine/tokenizer/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/tokenizer/test_tokenizers.h"

namespace attendant {
namespace {

using testing::HasSubstr;

class TokenizerFilesTest : public testing::Test {
 protected:
  TokenizerFilesTest() : folder_(testing::TempDir() + "/tokenizer_files_" + std::to_string(::getpid())) {
    std::filesystem::create_directories(folder_);
    Write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhe\n##llo\nHe\n\u00e9\n\u4e00\n\u4e00\u4e00\n");
  }
  ~TokenizerFilesTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << text;
  }

  std::vector<int32_t> Ids(const std::string& text) {
    const auto tokenizer = Tokenizer::Load(folder_);
    if (!tokenizer.ok()) {
      ADD_FAILURE() << tokenizer.status();
      return {};
    }
    return (*tokenizer)->Encode(text, {}).input_ids;
  }
  std::string Error() { return std::string(Tokenizer::Load(folder_).status().message()); }

  std::string folder_;
};

TEST_F(TokenizerFilesTest, VocabTxtAloneIsAnUncasedBert) {
  EXPECT_EQ(Ids("Hello [MASK]"), (std::vector<int32_t>{2, 5, 6, 4, 3}));
  const auto tokenizer = Tokenizer::Load(folder_);
  ASSERT_TRUE(tokenizer.ok());
  EXPECT_EQ((*tokenizer)->EncodePair("he", "he", {}).token_type_ids, (std::vector<int32_t>{0, 0, 0, 1, 1}));
  EXPECT_EQ((*tokenizer)->vocab_size(), 11);
  EXPECT_TRUE((*tokenizer)->IsSpecial(4));
  EXPECT_FALSE((*tokenizer)->IsSpecial(5));
}

TEST_F(TokenizerFilesTest, ConfigSaysHowToNormalise) {
  Write("tokenizer_config.json", R"({"do_lower_case": false, "tokenizer_class": "BertTokenizerFast"})");
  EXPECT_EQ(Ids("He \u00e9"), (std::vector<int32_t>{2, 7, 8, 3}));
  Write("tokenizer_config.json", R"({"strip_accents": false})");
  EXPECT_EQ(Ids("\u00c9"), (std::vector<int32_t>{2, 8, 3}));
  EXPECT_EQ(Ids("\u4e00\u4e00"), (std::vector<int32_t>{2, 9, 9, 3}));
  Write("tokenizer_config.json", R"({"tokenize_chinese_chars": false})");
  EXPECT_EQ(Ids("\u4e00\u4e00"), (std::vector<int32_t>{2, 10, 3}));
}

TEST_F(TokenizerFilesTest, WindowsLineEnds) {
  Write("vocab.txt", "[UNK]\r\n[CLS]\r\n[SEP]\r\nhe");
  EXPECT_EQ(Ids("he"), (std::vector<int32_t>{1, 3, 2}));
}

TEST_F(TokenizerFilesTest, OfRepeatedLinesTheLastCounts) {
  Write("vocab.txt", "[UNK]\n[CLS]\n[SEP]\nhe\nx\nhe\n");
  EXPECT_EQ(Ids("he x"), (std::vector<int32_t>{1, 5, 4, 2}));
}

TEST_F(TokenizerFilesTest, SpecialTokensByNameFromEitherFile) {
  Write("vocab.txt", "<unk>\n<s>\n</s>\nhe\n<x>\n");
  Write("special_tokens_map.json",
        R"({"unk_token": "<unk>", "cls_token": "<s>", "additional_special_tokens": ["<x>"]})");
  Write("tokenizer_config.json", R"({"sep_token": {"content": "</s>", "lstrip": true, "normalized": false}})");
  EXPECT_EQ(Ids("he </s>he <x> ?"), (std::vector<int32_t>{1, 3, 2, 3, 4, 0, 2}));
}

TEST_F(TokenizerFilesTest, ErrorsNameFileAndKey) {
  const std::pair<const char*, const char*> configs[] = {
      {R"({"tokenizer_class": "RobertaTokenizer"})", "tokenizer_class \"RobertaTokenizer\" is not supported"},
      {R"({"do_basic_tokenize": false})", "do_basic_tokenize"},
      {R"({"never_split": ["x"]})", "never_split"},
      {R"({"do_lower_case": "yes"})", "do_lower_case must be true or false, found string"},
      {R"({"cls_token": "<s>"})", "cls_token \"<s>\" is not in vocab.txt"},
      {R"({"added_tokens_decoder": {"7": {"content": "[NEW]"}}})", "added_tokens_decoder.7 \"[NEW]\""},
      {R"({"added_tokens_decoder": {"-7": {"content": "[CLS]"}}})", "added_tokens_decoder.-7 is not an id"},
      {"[]", "must be an object, found array"},
      {"{", "not JSON"}};
  for (const auto& [config, message] : configs) {
    Write("tokenizer_config.json", config);
    EXPECT_THAT(Error(), HasSubstr("/tokenizer_config.json: ")) << config;
    EXPECT_THAT(Error(), HasSubstr(message)) << config;
  }
}

TEST_F(TokenizerFilesTest, BadVocabTxt) {
  Write("vocab.txt", "[CLS]\n[SEP]\n");
  EXPECT_THAT(Error(), HasSubstr("vocab.txt: model.unk_token \"[UNK]\" is not in"));
  Write("vocab.txt", "[UNK]\n\xff\n");
  EXPECT_THAT(Error(), HasSubstr("vocab.txt: not UTF-8 at byte 6"));
  Write("vocab.txt", "\n\n");
  EXPECT_THAT(Error(), HasSubstr("has no tokens"));
}

TEST_F(TokenizerFilesTest, NoFilesAtAll) {
  std::filesystem::remove(folder_ + "/vocab.txt");
  const absl::Status status = Tokenizer::Load(folder_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("neither tokenizer.json nor vocab.txt"));
  std::filesystem::create_directory(folder_ + "/tokenizer.json");
  EXPECT_THAT(Error(), HasSubstr("tokenizer.json: not a file"));
}

TEST_F(TokenizerFilesTest, TokenizerJsonComesFirst) {
  Write("tokenizer.json", ReadTestFile("uncased.json"));
  const auto tokenizer = Tokenizer::Load(folder_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_GT((*tokenizer)->vocab_size(), 1000);
  EXPECT_EQ((*tokenizer)->files_digest(), Sha256Hex(ReadTestFile("uncased.json")));
  Write("tokenizer.json", "{}");
  EXPECT_THAT(Error(), HasSubstr(folder_ + "/tokenizer.json: model"));
}

TEST_F(TokenizerFilesTest, DigestCoversEveryFile) {
  const std::string before = (*Tokenizer::Load(folder_))->files_digest();
  EXPECT_EQ(before.size(), 64u);
  Write("tokenizer_config.json", "{} ");
  const std::string config = (*Tokenizer::Load(folder_))->files_digest();
  EXPECT_NE(config, before);
  Write("special_tokens_map.json", "{} ");
  EXPECT_NE((*Tokenizer::Load(folder_))->files_digest(), config);
}

TEST(Sha256Test, KnownDigest) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace attendant
