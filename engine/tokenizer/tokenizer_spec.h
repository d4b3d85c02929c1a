// What a tokenizer is, as plain data: the readers of tokenizer.json and of vocab.txt fill it in, the tokenizer is built
// from it. Thread-safety: plain data.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_SPEC_H_
#define ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_SPEC_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attendant {

// One step over the whole text. BertNormalizer is kClean, kSpaceChinese, kNfd + kStripNonspacingMarks, kLowercase, in
// this order, each if asked for.
enum class NormalizerStep {
  kClean,
  kSpaceChinese,
  kNfd,
  kStripNonspacingMarks,
  kLowercase,
  kStripMarks,
  kStripLeft,
  kStripRight
};

// Where words end. Rules look at neighbouring characters only, so a Sequence of pre-tokenizers is the union of its
// rules.
struct PreTokenizerSpec {
  bool split_whitespace = false;     // whitespace ends a word and is dropped
  bool isolate_punctuation = false;  // each punctuation character is a word
  bool split_word_classes = false;   // a word is either all \w or all not \w
};

struct WordPieceSpec {
  std::vector<std::pair<std::string, int32_t>> vocab;  // each token once, each id once
  std::string unk_token;
  std::string continuing_subword_prefix;
  int64_t max_input_chars_per_word = 100;
};

struct AddedTokenSpec {
  std::string content;
  int32_t id = 0;
  bool single_word = false;
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = false;
};

struct TemplatePiece {
  enum class Kind { kFirst, kSecond, kSpecial };
  Kind kind = Kind::kFirst;
  int32_t type_id = 0;
  std::vector<int32_t> ids;  // of kSpecial
};

// single holds kFirst once, pair holds kFirst and kSecond once each.
struct PostProcessorSpec {
  // RobertaProcessing: the white space that an added token has taken in is left out of its offsets again, except a
  // single leading space of the first token where add_prefix_space is set.
  bool trim_offsets = false;
  bool add_prefix_space = false;
  std::vector<TemplatePiece> single = {{TemplatePiece::Kind::kFirst, 0, {}}};
  std::vector<TemplatePiece> pair = {{TemplatePiece::Kind::kFirst, 0, {}}, {TemplatePiece::Kind::kSecond, 1, {}}};
};

struct TokenizerSpec {
  std::vector<AddedTokenSpec> added_tokens;
  std::vector<NormalizerStep> normalizer;
  PreTokenizerSpec pre_tokenizer;
  WordPieceSpec model;
  PostProcessorSpec post_processor;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_SPEC_H_
