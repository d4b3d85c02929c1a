#include "server/security/key_file.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace attendant {
namespace {

constexpr size_t kMaxNameBytes = 64;
// 10^12 tokens per second are no quota; and two seconds of them are far from the end of an int64.
constexpr int64_t kMaxTokensPerSecond = 1'000'000'000'000;
constexpr char kNameRule[] = "a name is 1 to 64 letters, digits, '.', '_' or '-'";

bool IsName(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= kMaxNameBytes && std::all_of(name.begin(), name.end(), allowed);
}

absl::Status SetClass(absl::string_view value, CallerOptions* caller) {
  if (value != "interactive" && value != "bulk") return absl::InvalidArgumentError("class is interactive or bulk");
  caller->ceiling = value == "bulk" ? ServiceClass::kBulk : ServiceClass::kInteractive;
  return absl::OkStatus();
}

absl::Status SetQuota(absl::string_view value, CallerOptions* caller) {
  const bool digits =
      !value.empty() && std::all_of(value.begin(), value.end(), [](char c) { return '0' <= c && c <= '9'; });
  if (!digits || !absl::SimpleAtoi(value, &caller->tokens_per_second) || caller->tokens_per_second < 1 ||
      caller->tokens_per_second > kMaxTokensPerSecond) {
    return absl::InvalidArgumentError(
        absl::StrCat("tokens-per-second is a whole number from 1 to ", kMaxTokensPerSecond));
  }
  return absl::OkStatus();
}

absl::Status SetRights(absl::string_view value, CallerOptions* caller) {
  static constexpr std::pair<absl::string_view, Right> kRights[] = {
      {"embed", Right::kEmbed}, {"metrics", Right::kMetrics}, {"admin", Right::kAdmin}};
  caller->rights = 0;
  for (const absl::string_view word : absl::StrSplit(value, ',')) {
    const auto right =
        std::find_if(std::begin(kRights), std::end(kRights), [word](const auto& known) { return known.first == word; });
    if (right == std::end(kRights)) return absl::InvalidArgumentError("allow is a list of embed, metrics, admin");
    caller->rights |= static_cast<uint8_t>(right->second);
  }
  return absl::OkStatus();
}

absl::Status SetAttribute(absl::string_view word, std::set<std::string>* seen, CallerOptions* caller) {
  const size_t equals = std::min(word.find('='), word.size());
  const absl::string_view name = word.substr(0, equals);
  const absl::string_view value = word.substr(std::min(equals + 1, word.size()));
  using Setter = absl::Status (*)(absl::string_view, CallerOptions*);
  static constexpr std::pair<absl::string_view, Setter> kAttributes[] = {
      {"class", SetClass}, {"tokens-per-second", SetQuota}, {"allow", SetRights}};
  for (const auto& [known, set] : kAttributes) {
    if (known != name) continue;
    if (!seen->insert(std::string(name)).second) {
      return absl::InvalidArgumentError(absl::StrCat("attribute ", name, " is there twice"));
    }
    return set(value, caller);
  }
  return absl::InvalidArgumentError("unknown attribute; there is class=, tokens-per-second= and allow=");
}

absl::StatusOr<KeyLine> ParseLine(const std::vector<absl::string_view>& words) {
  KeyLine line;
  line.caller.name = std::string(words[0]);
  if (!IsName(line.caller.name)) return absl::InvalidArgumentError(kNameRule);
  if (words.size() < 2) return absl::InvalidArgumentError("after the name comes the SHA-256 of the key");
  const auto digest = FromHex({words[1].data(), words[1].size()});
  if (!digest.has_value()) {
    return absl::InvalidArgumentError("after the name comes the SHA-256 of the key as 64 hexadecimal digits");
  }
  line.digest = *digest;
  std::set<std::string> seen;
  for (size_t i = 2; i < words.size(); ++i) {
    if (absl::Status status = SetAttribute(words[i], &seen, &line.caller); !status.ok()) return status;
  }
  return line;
}

}  // namespace

absl::StatusOr<std::vector<KeyLine>> ParseKeyFile(std::string_view text) {
  if (text.size() > kMaxKeyFileBytes) {
    return absl::InvalidArgumentError(absl::StrCat("it is larger than ", kMaxKeyFileBytes, " bytes"));
  }
  std::vector<KeyLine> lines;
  std::map<std::string, int> names;
  std::map<Sha256Digest, int> digests;
  int number = 0;
  const auto error = [&number](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", what));
  };
  for (absl::string_view rest : absl::StrSplit(absl::string_view(text.data(), text.size()), '\n')) {
    ++number;
    rest = rest.substr(0, rest.find('#'));
    const std::vector<absl::string_view> words = absl::StrSplit(rest, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    auto line = ParseLine(words);
    if (!line.ok()) return error(line.status().message());
    const auto [name, new_name] = names.emplace(line->caller.name, number);
    if (!new_name) return error(absl::StrCat("the name is that of line ", name->second));
    const auto [digest, new_digest] = digests.emplace(line->digest, number);
    if (!new_digest) return error(absl::StrCat("the key is that of line ", digest->second));
    lines.push_back(*std::move(line));
  }
  return lines;
}

absl::StatusOr<std::string> KeyFileLine(std::string_view name, std::string_view key) {
  if (!IsName(name)) return absl::InvalidArgumentError(kNameRule);
  if (key.size() < kMinKeyBytes || key.size() > kMaxKeyBytes) {
    return absl::InvalidArgumentError(absl::StrCat("a key has ", kMinKeyBytes, " to ", kMaxKeyBytes,
                                                   " characters, this one has ", key.size(),
                                                   "; `openssl rand -hex 32` makes a good one"));
  }
  // It travels in an HTTP header.
  if (!std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c <= '~'; })) {
    return absl::InvalidArgumentError("a key is of printable ASCII characters without spaces");
  }
  return absl::StrCat(std::string(name), " ", ToHex(Sha256(key)));
}

}  // namespace attendant
