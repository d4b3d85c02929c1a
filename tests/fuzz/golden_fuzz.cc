// Any bytes as a file of golden vectors: a value that holds together, or an error that names the file.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/models/golden.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto golden = attendant::ParseGolden({reinterpret_cast<const char*>(data), size}, "fuzz.json");
  if (!golden.ok()) {
    if (golden.status().message().find("fuzz.json") == absl::string_view::npos) std::abort();
    return 0;
  }
  for (const auto& item : golden->items) {
    if (item.vector.size() != static_cast<size_t>(golden->dimension)) std::abort();
  }
  const double limit = golden->MinCosine("int8");
  if (!(limit > 0 && limit <= 1)) std::abort();
  return 0;
}
