// Any bytes as a tokenizer.json: an error, or a tokenizer that works.
#include <string_view>

#include "tests/fuzz/tokenizer_invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tokenizer = attendant::Tokenizer::FromJson(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!tokenizer.ok()) {
    attendant::Require(!tokenizer.status().message().empty(), "an error says something");
    return 0;
  }
  const char* const texts[] = {"", "a [CLS] b  <x> c", "He said: \u00e9t\u00e9\u0301\u0323 \u4e00\uac01!",
                               "\xff\xe2\x82 \u0130\u200b"};
  for (const char* text : texts) {
    for (const int32_t max_tokens : {0, 1, 5, 8}) {
      if (max_tokens != 0 && max_tokens < (*tokenizer)->num_special_tokens(true)) continue;
      attendant::CheckInvariants(**tokenizer, text, "b a", {max_tokens, attendant::TruncationSide::kStart});
    }
  }
  return 0;
}
