// Any bytes as a text or a pair: bytes 0 to 2 choose the tokenizer, the bound and side, and where the pair is cut.
#include <memory>
#include <string_view>
#include <vector>

#include "tests/engine/tokenizer/test_tokenizers.h"
#include "tests/fuzz/tokenizer_invariants.h"

namespace {

std::vector<std::unique_ptr<attendant::Tokenizer>> LoadAll() {
  std::vector<std::unique_ptr<attendant::Tokenizer>> all;
  for (const char* name : {"uncased.json", "cased.json", "added.json", "roberta.json", "steps.json"}) {
    all.push_back(attendant::LoadTestTokenizer(attendant::TestDefinition(name)));
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto* const tokenizers = new std::vector<std::unique_ptr<attendant::Tokenizer>>(LoadAll());
  if (size < 3) return 0;
  const attendant::Tokenizer& tokenizer = *(*tokenizers)[data[0] % tokenizers->size()];
  const int32_t bound = data[1] >> 1;
  const attendant::EncodeOptions options = {
      bound == 0 ? 0 : bound + tokenizer.num_special_tokens(true) - 1,
      data[1] % 2 == 0 ? attendant::TruncationSide::kEnd : attendant::TruncationSide::kStart};
  const std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  const size_t cut = text.size() * data[2] / 255;
  attendant::CheckInvariants(tokenizer, text.substr(0, cut), text.substr(cut), options);
  return 0;
}
