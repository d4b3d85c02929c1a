// The tokenizer as its users see it: invariants on random texts, truncation, hostile sizes, threads, the real
// vocabulary.
#include "engine/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>

#include "tests/engine/tokenizer/test_tokenizers.h"
#include "tests/fuzz/tokenizer_invariants.h"

namespace attendant {
namespace {

class TokenizerTest : public testing::Test {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = LoadTestTokenizer(TestDefinition("uncased.json"));
};

std::string RandomText(std::mt19937& random) {
  static constexpr const char* kParts[] = {"the", "act",    "of",     "Entity", " ",   " ",
                                           ",",   "\u00e9", "\u4e00", "[SEP]",  "qzx", "\xff"};
  std::string text;
  for (size_t n = random() % 30; n > 0; --n) text += kParts[random() % std::size(kParts)];
  return text;
}

// A cut result is the whole result with content missing at one side.
TEST_F(TokenizerTest, TruncationKeepsOneSideOfTheContent) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    const std::string text = RandomText(random);
    const Encoding whole = tokenizer_->Encode(text, {});
    const auto total = static_cast<int32_t>(whole.input_ids.size());
    const auto limit = static_cast<int32_t>(2 + random() % 20);
    for (const TruncationSide side : {TruncationSide::kEnd, TruncationSide::kStart}) {
      const Encoding cut = tokenizer_->Encode(text, {limit, side});
      const int32_t size = std::min(limit, total), dropped = total - size;
      ASSERT_EQ(static_cast<int32_t>(cut.input_ids.size()), size);
      ASSERT_EQ(cut.tokens_dropped, dropped);
      const int32_t shift = side == TruncationSide::kStart ? dropped : 0;
      for (int32_t k = 1; k + 1 < size; ++k) {
        ASSERT_EQ(cut.input_ids[k], whole.input_ids[k + shift]);
        ASSERT_EQ(cut.offsets[k], whole.offsets[k + shift]);
      }
      ASSERT_EQ(cut.input_ids.front(), whole.input_ids.front());
      ASSERT_EQ(cut.input_ids.back(), whole.input_ids.back());
    }
  }
}

TEST_F(TokenizerTest, InvariantsHoldForPairsAndCuts) {
  std::mt19937 random(4);
  for (int i = 0; i < 2000; ++i) {
    const EncodeOptions options = {static_cast<int32_t>(random() % 3 == 0 ? 0 : 4 + random() % 20),
                                   random() % 2 == 0 ? TruncationSide::kEnd : TruncationSide::kStart};
    CheckInvariants(*tokenizer_, RandomText(random), RandomText(random), options);
  }
}

TEST_F(TokenizerTest, WrapIdsPutsTheSameAroundAsEncode) {
  const Encoding encoded = tokenizer_->Encode("the act of acting", {});
  const std::vector<int32_t> content(encoded.input_ids.begin() + 1, encoded.input_ids.end() - 1);
  const Encoding wrapped = tokenizer_->WrapIds(content, {}, {});
  EXPECT_EQ(wrapped.input_ids, encoded.input_ids);
  EXPECT_EQ(wrapped.token_type_ids, encoded.token_type_ids);
  EXPECT_EQ(wrapped.offsets, std::vector<Offset>(encoded.input_ids.size()));
  const std::vector<int32_t> types(content.size(), 1);
  const Encoding typed = tokenizer_->WrapIds(content, types, {4, TruncationSide::kEnd});
  EXPECT_EQ(typed.token_type_ids, (std::vector<int32_t>{0, 1, 1, 0}));
  EXPECT_EQ(typed.tokens_dropped, static_cast<int32_t>(content.size()) - 2);
  EXPECT_EQ(tokenizer_->WrapIds({}, {}, {}).input_ids.size(), 2u);
}

TEST_F(TokenizerTest, TokensAndIdsAreInverse) {
  for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
    ASSERT_FALSE(tokenizer_->IdToToken(id).empty());
    ASSERT_EQ(tokenizer_->TokenToId(tokenizer_->IdToToken(id)), id);
    ASSERT_EQ(tokenizer_->IsSpecial(id), id < 5);
  }
  EXPECT_EQ(tokenizer_->IdToToken(-1), "");
  EXPECT_EQ(tokenizer_->IdToToken(tokenizer_->vocab_size()), "");
  EXPECT_EQ(tokenizer_->TokenToId("no such token"), std::nullopt);
  EXPECT_EQ(tokenizer_->num_special_tokens(false), 2);
  EXPECT_EQ(tokenizer_->num_special_tokens(true), 3);
}

// Texts that would take minutes if anything in the way were quadratic.
TEST_F(TokenizerTest, LinearInTheSizeOfTheText) {
  for (const char* unit :
       {"a", "A", " ", ".", "\u0301", "\u0301\u0323", "e\u0301", "\u00e9", "\u4e00", "\uac01", "\ua953\u0301\u0323",
        "[", "[SEP]", "[MAS", "\xff", "\xe2\x82", "a ", "\u200b", "\U0001D165"}) {
    for (const char* name : {"uncased.json", "added.json"}) {
      const std::unique_ptr<Tokenizer> tokenizer = LoadTestTokenizer(TestDefinition(name));
      std::string text;
      while (text.size() < 1 << 20) text += unit;
      const auto start = std::chrono::steady_clock::now();
      CheckInvariants(*tokenizer, text, unit, {512, TruncationSide::kEnd});
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << unit << " in " << name;
    }
  }
}

TEST_F(TokenizerTest, OneInstanceServesManyThreads) {
  std::vector<std::string> texts;
  std::vector<Encoding> expected;
  std::mt19937 random(9);
  for (int i = 0; i < 200; ++i) {
    texts.push_back(RandomText(random));
    expected.push_back(tokenizer_->Encode(texts.back(), {}));
  }
  std::vector<std::thread> threads;
  std::vector<int> differing(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i < texts.size(); ++i) {
          differing[t] += tokenizer_->Encode(texts[i], {}).input_ids != expected[i].input_ids;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(differing, std::vector<int>(4));
}

TEST(DefaultModelTest, LoadsQuicklyAndKnowsItsWords) {
  const char* directory = std::getenv("ATTENDANT_TEST_MODEL_DIR");
  ASSERT_NE(directory, nullptr) << "set ATTENDANT_TEST_MODEL_DIR to the directory that scripts/get-model prints";
  const auto start = std::chrono::steady_clock::now();
  const auto tokenizer = Tokenizer::Load(directory);
  const auto took = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  // Twenty times what it takes, for machines under load and sanitizers; the benchmark has the figure.
  EXPECT_LT(took, std::chrono::milliseconds(1200));
  EXPECT_EQ((*tokenizer)->vocab_size(), 30522);
  EXPECT_EQ((*tokenizer)->Encode("Hello, world! unaffable", {}).input_ids,
            (std::vector<int32_t>{101, 7592, 1010, 2088, 999, 14477, 20961, 3468, 102}));
}

}  // namespace
}  // namespace attendant
