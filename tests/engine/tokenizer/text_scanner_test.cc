// The one-pass scanner against its twin, the general normalizer, on random texts full of difficult characters.
#include "engine/tokenizer/text_scanner.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "engine/tokenizer/normalizer.h"
#include "engine/tokenizer/pipeline_json.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

constexpr char32_t kDifficult[] = {
    'a',    'B',    ' ',    '.',    '_',    0,      '\n',   '\x7f', 0xE9,    0x130,  0x1E9E,  0x300,    0x323,   0x345,
    0x344,  0x5B0,  0xF73,  0xDDD,  0xDCA,  0x1B44, 0x302E, 0xA953, 0x1D165, 0x1160, 0x1D160, 0x1E944,  0x1E000, 0xAC01,
    0x4E00, 0xF900, 0xFA30, 0x200B, 0x200D, 0xFFFD, 0xA0,   0x2028, 0x3000,  0xE000, 0x378,   0x10FFFF, 0x20DD,  0x3A3};

WordPiece Letters() {
  WordPieceSpec spec = {{{"[UNK]", 0}}, "[UNK]", "##", 20};
  for (const char32_t c : U"abei.sc") {
    if (c == 0) continue;
    std::string letter;
    utf8::Append(c, letter);
    spec.vocab.emplace_back(letter, static_cast<int32_t>(spec.vocab.size()));
    spec.vocab.emplace_back("##" + letter, static_cast<int32_t>(spec.vocab.size()));
  }
  return *WordPiece::Create(spec);
}

std::string RandomText(std::mt19937& random) {
  std::string text;
  for (size_t n = random() % 40; n > 0; --n) utf8::Append(kDifficult[random() % std::size(kDifficult)], text);
  return text;
}

TEST(TextScannerTest, EqualsTheGeneralNormalizer) {
  const WordPiece model = Letters();
  std::mt19937 random(5);
  for (int variant = 0; variant < 16 * 8; ++variant) {
    std::vector<NormalizerStep> steps;
    AppendBertNormalizer(variant & 1, variant & 2, variant & 4, variant & 8, steps);
    const PreTokenizer pre_tokenizer({(variant & 16) != 0, (variant & 32) != 0, (variant & 64) != 0});
    const std::optional<TextScanner> scanner = TextScanner::Create(steps, pre_tokenizer);
    ASSERT_TRUE(scanner.has_value());
    for (int i = 0; i < 300; ++i) {
      const std::string text = RandomText(random);
      TokenBuffer fast(TokenBuffer::kUnlimited), slow(TokenBuffer::kUnlimited);
      WordBuilder fast_words(pre_tokenizer, model, fast), slow_words(pre_tokenizer, model, slow);
      ASSERT_EQ(scanner->Scan(text, 7, fast_words), utf8::CountCodePoints(text));
      for (const NormalizedChar& n : Normalize(text, 7, steps)) slow_words.Append(n.c, n.source);
      slow_words.EndWord();
      ASSERT_EQ(fast.ids(), slow.ids()) << variant << ": " << testing::PrintToString(text);
      ASSERT_EQ(fast.offsets(), slow.offsets()) << variant << ": " << testing::PrintToString(text);
    }
  }
}

TEST(TextScannerTest, OtherStepsAreNotForIt) {
  const PreTokenizer pre_tokenizer({true, true, false});
  using enum NormalizerStep;
  for (const std::vector<NormalizerStep>& steps :
       {std::vector{kNfd}, std::vector{kLowercase, kClean}, std::vector{kStripLeft}, std::vector{kNfd, kStripMarks}}) {
    EXPECT_FALSE(TextScanner::Create(steps, pre_tokenizer).has_value());
  }
}

}  // namespace
}  // namespace attendant
