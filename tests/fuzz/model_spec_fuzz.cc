// Any text as the value of --model: a spec within its limits, or an error.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/models/model_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto spec = attendant::ParseModelSpec({reinterpret_cast<const char*>(data), size});
  if (!spec.ok()) return 0;
  const bool valid = attendant::CheckName(spec->name).ok() && attendant::CheckQuota(spec->quota).ok() &&
                     attendant::CheckPrecision(spec->precision).ok() && !spec->directory.empty();
  if (!valid) std::abort();
  return 0;
}
