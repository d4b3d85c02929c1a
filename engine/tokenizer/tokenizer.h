// Text to token ids, id for id equal to the Hugging Face implementation of the same tokenizer files.
//
// It is: the whole pipeline of a BERT-type tokenizer (added tokens, BertNormalizer, BertPreTokenizer, WordPiece,
// TemplateProcessing). It is not: a model's rules about prompts or maximum lengths; those are the embedder's.
//
// Thread-safety: immutable after Load; every const member may be called from any number of threads at once.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_H_
#define ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace attendant {

// Half-open range of Unicode code points in the text that a token came from; {0, 0} for special tokens.
struct Offset {
  int32_t start = 0;
  int32_t end = 0;
  bool operator==(const Offset&) const = default;
};

// The three vectors have the same length.
struct Encoding {
  std::vector<int32_t> input_ids;
  std::vector<int32_t> token_type_ids;
  std::vector<Offset> offsets;
  int32_t tokens_dropped = 0;  // content tokens that truncation removed
};

enum class TruncationSide { kEnd, kStart };

struct EncodeOptions {
  // Upper bound on the length of the result, special tokens included; 0: none. When a pair is too long, the longer text
  // is cut first (Hugging Face "longest_first").
  int32_t max_tokens = 0;
  TruncationSide side = TruncationSide::kEnd;
};

class Tokenizer {
 public:
  // Reads DIR/tokenizer.json or, where there is none, DIR/vocab.txt with DIR/tokenizer_config.json.
  // Truncation and padding inside tokenizer.json are ignored. Errors name the file and the key.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& model_dir);
  // The same from the text of a tokenizer.json.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> FromJson(std::string_view json);

  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Never fails: bytes that are not UTF-8 count as U+FFFD. Time is linear in the size of the text.
  // Precondition: max_tokens is 0 or at least num_special_tokens of the template used.
  Encoding Encode(std::string_view text, const EncodeOptions& options) const;
  Encoding EncodePair(std::string_view first, std::string_view second, const EncodeOptions& options) const;

  // Puts the special tokens of a single sequence around the caller's ids. token_type_ids is empty or as long as ids;
  // when empty, the template's type ids are used. Offsets are all {0, 0}.
  Encoding WrapIds(std::span<const int32_t> input_ids, std::span<const int32_t> token_type_ids,
                   const EncodeOptions& options) const;

  int32_t vocab_size() const;  // largest id + 1
  int32_t num_special_tokens(bool pair) const;
  std::string_view IdToToken(int32_t id) const;  // "" when the id is not in the vocabulary
  std::optional<int32_t> TokenToId(std::string_view token) const;
  bool IsSpecial(int32_t id) const;

  // sha256 over the files' bytes that define this tokenizer, in hex; part of the model fingerprint.
  const std::string& files_digest() const;

 private:
  class Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_H_
