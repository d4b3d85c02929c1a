// Tokenizes what it reads from standard input and writes everything about it to standard output: the other side of
// tests/parity/tokenizer_parity.py and of the golden file's maker.
//
// Usage: tokenizer_dump MODEL_DIRECTORY_OR_TOKENIZER_JSON [MAX_TOKENS [end|start]]
// In: records of two strings, each an int32 length and its bytes; length -1 for the second: a single text.
// Out: for each, int32 number of tokens n, int32 tokens dropped, n ids, n type ids, n pairs of offsets, all int32.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace {

using attendant::EncodeOptions;
using attendant::Encoding;
using attendant::Tokenizer;

absl::StatusOr<std::unique_ptr<Tokenizer>> Load(const std::string& path) {
  if (!path.ends_with(".json")) return Tokenizer::Load(path);
  std::ifstream file(path, std::ios::binary);
  return Tokenizer::FromJson(std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
}

// False at the end of the input.
bool ReadString(std::string& text, int32_t& length) {
  if (std::fread(&length, sizeof(length), 1, stdin) != 1) return false;
  text.resize(length < 0 ? 0 : length);
  return std::fread(text.data(), 1, text.size(), stdin) == text.size();
}

void Write(const Encoding& encoding) {
  std::vector<int32_t> out = {static_cast<int32_t>(encoding.input_ids.size()), encoding.tokens_dropped};
  out.insert(out.end(), encoding.input_ids.begin(), encoding.input_ids.end());
  out.insert(out.end(), encoding.token_type_ids.begin(), encoding.token_type_ids.end());
  for (const attendant::Offset& offset : encoding.offsets) out.insert(out.end(), {offset.start, offset.end});
  std::fwrite(out.data(), sizeof(int32_t), out.size(), stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto tokenizer = Load(argv[1]);
  if (!tokenizer.ok()) {
    std::fprintf(stderr, "%s\n", std::string(tokenizer.status().message()).c_str());
    return 1;
  }
  EncodeOptions options;
  if (argc > 2) options.max_tokens = std::atoi(argv[2]);
  if (argc > 3 && std::string(argv[3]) == "start") options.side = attendant::TruncationSide::kStart;
  std::string first, second;
  int32_t length = 0;
  while (ReadString(first, length) && ReadString(second, length)) {
    Write(length < 0 ? (*tokenizer)->Encode(first, options) : (*tokenizer)->EncodePair(first, second, options));
  }
  return 0;
}
