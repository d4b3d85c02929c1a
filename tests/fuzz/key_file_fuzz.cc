// Any bytes as a key file: an error that names a line and quotes nothing, or keys whose lines can be written again.
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>

#include "server/security/key_file.h"

namespace {

using namespace attendant;

std::string LineOf(const KeyLine& key) {
  std::string rights;
  for (const auto& [right, word] :
       {std::pair{Right::kEmbed, "embed"}, {Right::kMetrics, "metrics"}, {Right::kAdmin, "admin"}}) {
    if ((key.caller.rights & static_cast<uint8_t>(right)) != 0)
      rights += (rights.empty() ? "" : ",") + std::string(word);
  }
  std::string line = key.caller.name + " " + ToHex(key.digest) + " allow=" + rights;
  line += key.caller.ceiling == ServiceClass::kBulk ? " class=bulk" : " class=interactive";
  if (key.caller.tokens_per_second > 0) line += " tokens-per-second=" + std::to_string(key.caller.tokens_per_second);
  return line + "\n";
}

void Check(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto keys = ParseKeyFile(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!keys.ok()) {
    Check(size > kMaxKeyFileBytes || keys.status().message().substr(0, 5) == "line ");
    Check(keys.status().message().size() < 200);
    return 0;
  }
  std::string text;
  std::set<std::string> names;
  for (const KeyLine& key : *keys) {
    Check(names.insert(key.caller.name).second);
    Check(key.caller.rights != 0 && key.caller.tokens_per_second >= 0);
    text += LineOf(key);
  }
  const auto again = ParseKeyFile(text);
  Check(text.size() > kMaxKeyFileBytes || (again.ok() && again->size() == keys->size()));
  for (size_t i = 0; again.ok() && i < again->size(); ++i) Check(LineOf((*again)[i]) == LineOf((*keys)[i]));
  return 0;
}
