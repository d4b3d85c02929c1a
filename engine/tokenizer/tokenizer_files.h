// The files of a model directory that define its tokenizer.
// Thread-safety: pure functions; they read files.
#ifndef ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_FILES_H_
#define ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_FILES_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

// Larger files are refused; the largest real ones (250,000 pieces) have 17 MB.
inline constexpr int64_t kMaxTokenizerFileBytes = 64 << 20;

struct TokenizerFiles {
  TokenizerSpec spec;
  std::string name;    // the file that holds the vocabulary, for errors
  std::string digest;  // sha256 over all files used, in hex
};

// DIR/tokenizer.json or, where there is none, DIR/vocab.txt with DIR/tokenizer_config.json and
// DIR/special_tokens_map.json, where they exist.
absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& model_dir);

// sha256 in hex.
std::string Sha256Hex(std::string_view bytes);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_TOKENIZER_FILES_H_
