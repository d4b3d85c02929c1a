#include "engine/tokenizer/tokenizer_files.h"

#include <openssl/sha.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/tokenizer/tokenizer_json.h"
#include "engine/tokenizer/vocab_txt.h"

namespace attendant {
namespace {

bool Exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a file"));
  }
  const auto size = static_cast<int64_t>(std::filesystem::file_size(path, error));
  if (error || size < 0) return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.message()));
  if (size > kMaxTokenizerFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": has ", size, " bytes; at most ", kMaxTokenizerFileBytes, " are read"));
  }
  std::string text(static_cast<size_t>(size), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(text.data(), size)) return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  return text;
}

absl::StatusOr<TokenizerFiles> ReadVocabularyFiles(const std::string& model_dir) {
  NamedText vocab = {absl::StrCat(model_dir, "/vocab.txt"), ""};
  NamedText config = {absl::StrCat(model_dir, "/tokenizer_config.json"), "{}"};
  NamedText map = {absl::StrCat(model_dir, "/special_tokens_map.json"), "{}"};
  if (!Exists(vocab.name)) {
    return absl::NotFoundError(absl::StrCat(model_dir, ": has neither tokenizer.json nor vocab.txt"));
  }
  if (Exists(absl::StrCat(model_dir, "/added_tokens.json"))) {
    return absl::UnimplementedError(
        absl::StrCat(model_dir, "/added_tokens.json: not supported without a tokenizer.json"));
  }
  std::string all;
  for (NamedText* file : {&vocab, &config, &map}) {
    if (Exists(file->name)) {
      absl::StatusOr<std::string> text = ReadFile(file->name);
      if (!text.ok()) return text.status();
      file->text = *std::move(text);
    }
    // With its length, so that moving bytes from one file to the next changes the digest.
    absl::StrAppend(&all, file->text.size(), "\n", file->text);
  }
  absl::StatusOr<TokenizerSpec> spec = ReadVocabTxt(vocab, config, map);
  if (!spec.ok()) return spec.status();
  return TokenizerFiles{*std::move(spec), vocab.name, Sha256Hex(all)};
}

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

absl::StatusOr<TokenizerFiles> ReadTokenizerFiles(const std::string& model_dir) {
  TokenizerFiles files;
  files.name = absl::StrCat(model_dir, "/tokenizer.json");
  if (!Exists(files.name)) return ReadVocabularyFiles(model_dir);
  const absl::StatusOr<std::string> text = ReadFile(files.name);
  if (!text.ok()) return text.status();
  absl::StatusOr<TokenizerSpec> spec = ReadTokenizerJson(*text, files.name);
  if (!spec.ok()) return spec.status();
  files.spec = *std::move(spec);
  files.digest = Sha256Hex(*text);
  return files;
}

}  // namespace attendant
