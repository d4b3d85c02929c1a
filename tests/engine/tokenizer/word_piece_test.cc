#include "engine/tokenizer/word_piece.h"

#include <gtest/gtest.h>

namespace attendant {
namespace {

WordPieceSpec Spec() {
  return {{{"[UNK]", 0},
           {"un", 1},
           {"##aff", 2},
           {"##able", 3},
           {"##a", 4},
           {"unaff", 5},
           {"a", 6},
           {"##\u00e9", 7},
           {"##", 8}},
          "[UNK]",
          "##",
          100};
}

std::vector<int32_t> Ids(const WordPieceSpec& spec, std::string_view word) {
  const absl::StatusOr<WordPiece> model = WordPiece::Create(spec);
  EXPECT_TRUE(model.ok()) << model.status();
  std::vector<Piece> pieces = {{99, 0, 0}};
  model->Tokenize(word, pieces);
  std::vector<int32_t> ids;
  for (const Piece& piece : pieces) ids.push_back(piece.id);
  return ids;
}

TEST(WordPieceTest, TakesTheLongestPieceFromTheLeft) {
  EXPECT_EQ(Ids(Spec(), "unaffable"), (std::vector<int32_t>{5, 3}));
  EXPECT_EQ(Ids(Spec(), "aaff"), (std::vector<int32_t>{6, 2}));
  EXPECT_EQ(Ids(Spec(), "a\u00e9a"), (std::vector<int32_t>{6, 7, 4}));
}

TEST(WordPieceTest, ARestThatNothingBeginsMakesTheWordUnknown) {
  EXPECT_EQ(Ids(Spec(), "unx"), (std::vector<int32_t>{0}));
  // Longest first, without going back: "unaff" leaves "ab", which is "##a" and nothing.
  EXPECT_EQ(Ids(Spec(), "unaffab"), (std::vector<int32_t>{0}));
  // Half a character is no piece.
  EXPECT_EQ(Ids(Spec(), "a\u00e8"), (std::vector<int32_t>{0}));
}

TEST(WordPieceTest, ThePrefixAloneIsNotAContinuation) {
  EXPECT_EQ(Ids(Spec(), "##"), (std::vector<int32_t>{8}));
  EXPECT_EQ(Ids(Spec(), "a##a"), (std::vector<int32_t>{0}));
}

TEST(WordPieceTest, WithoutPrefixPiecesAreWords) {
  WordPieceSpec spec = Spec();
  spec.continuing_subword_prefix = "";
  EXPECT_EQ(Ids(spec, "aun"), (std::vector<int32_t>{6, 1}));
}

TEST(WordPieceTest, APrefixThatNoTokenHasAllowsNoContinuation) {
  WordPieceSpec spec = Spec();
  spec.continuing_subword_prefix = "@@";
  EXPECT_EQ(Ids(spec, "aa"), (std::vector<int32_t>{0}));
  EXPECT_EQ(Ids(spec, "a"), (std::vector<int32_t>{6}));
}

TEST(WordPieceTest, TheUnknownTokenMustExist) {
  WordPieceSpec spec = Spec();
  spec.unk_token = "<unk>";
  EXPECT_EQ(WordPiece::Create(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attendant
