#include "server/security/api_keys.h"

#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/security/key_file.h"
#include "server/security/small_file.h"

namespace attendant {
namespace {

uint64_t Prefix(const Sha256Digest& digest) {
  uint64_t prefix = 0;
  std::memcpy(&prefix, digest.data(), sizeof prefix);
  return prefix;
}

// The quota of the new line, with what the old one's bucket holds.
void SetQuota(int64_t tokens_per_second, KeyAccount* account) {
  const std::lock_guard lock(account->mutex);
  if (tokens_per_second == 0) {
    account->bucket.reset();
  } else if (account->bucket.has_value()) {
    account->bucket->SetRate(tokens_per_second);
  } else {
    account->bucket.emplace(tokens_per_second);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ApiKeys>> ApiKeys::Load(const std::string& path) {
  std::unique_ptr<ApiKeys> keys(new ApiKeys(path));
  if (auto loaded = keys->Reload(); !loaded.ok()) return loaded.status();
  return keys;
}

std::shared_ptr<const ApiKeys::Table> ApiKeys::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

absl::StatusOr<bool> ApiKeys::Reload() {
  const std::lock_guard reload_lock(reload_mutex_);
  auto text = ReadSmallFile(path_, kMaxKeyFileBytes);
  if (!text.ok()) return text.status();
  const std::shared_ptr<const Table> old = table();
  if (old != nullptr && old->text == *text) return false;
  auto lines = ParseKeyFile(*text);
  if (!lines.ok()) return absl::InvalidArgumentError(absl::StrCat(path_, ": ", lines.status().message()));
  if (lines->empty()) return absl::InvalidArgumentError(absl::StrCat(path_, ": there is no key in it"));

  std::map<std::string, std::shared_ptr<KeyAccount>> accounts;
  if (old != nullptr) {
    for (const auto& [digest, caller] : old->keys) accounts[caller->name()] = caller->account();
  }
  auto table = std::make_shared<Table>();
  table->text = *std::move(text);
  for (KeyLine& line : *lines) {
    std::shared_ptr<KeyAccount>& account = accounts[line.caller.name];
    if (account == nullptr) account = std::make_shared<KeyAccount>();
    SetQuota(line.caller.tokens_per_second, account.get());
    table->by_prefix.emplace(Prefix(line.digest), table->keys.size());
    table->keys.emplace_back(line.digest, std::make_shared<const Caller>(std::move(line.caller), account));
  }
  const std::lock_guard lock(mutex_);
  table_ = std::move(table);
  return true;
}

std::shared_ptr<const Caller> ApiKeys::Find(std::string_view key) const {
  if (key.size() > kMaxKeyBytes) return nullptr;
  const Sha256Digest digest = Sha256(key);
  const std::shared_ptr<const Table> now = table();
  const auto [begin, end] = now->by_prefix.equal_range(Prefix(digest));
  for (auto it = begin; it != end; ++it) {
    const auto& [known, caller] = now->keys[it->second];
    if (EqualInConstantTime(known, digest)) return caller;
  }
  return nullptr;
}

size_t ApiKeys::size() const { return table()->keys.size(); }

std::vector<KeyUsage> ApiKeys::Usage() const {
  std::vector<KeyUsage> usage;
  const std::shared_ptr<const Table> now = table();
  for (const auto& [digest, caller] : now->keys) {
    const KeyAccount& account = *caller->account();
    usage.push_back({caller->name(), account.requests, account.tokens, account.refused});
  }
  return usage;
}

}  // namespace attendant
