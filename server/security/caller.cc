#include "server/security/caller.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace attendant {

Caller::Caller(CallerOptions options, std::shared_ptr<KeyAccount> account)
    : options_(std::move(options)), account_(std::move(account)) {}

std::shared_ptr<const Caller> Caller::Anonymous() {
  static const auto* const anonymous = new std::shared_ptr<const Caller>(std::make_shared<const Caller>(
      CallerOptions{.rights = static_cast<uint8_t>(Right::kEmbed) | static_cast<uint8_t>(Right::kMetrics) |
                              static_cast<uint8_t>(Right::kAdmin)},
      nullptr));
  return *anonymous;
}

absl::StatusOr<ServiceClass> Caller::ChooseClass(std::optional<ServiceClass> asked, ServiceClass by_default) const {
  if (options_.ceiling == ServiceClass::kInteractive) return asked.value_or(by_default);
  if (asked.value_or(ServiceClass::kBulk) == ServiceClass::kBulk) return ServiceClass::kBulk;
  return absl::PermissionDeniedError(
      absl::StrCat("API key \"", options_.name, "\" is of class bulk; its requests cannot be interactive"));
}

void Caller::CountRequest() const {
  if (account_ != nullptr) account_->requests.fetch_add(1, std::memory_order_relaxed);
}

QuotaVerdict Caller::Charge(int64_t tokens, int64_t max_item_tokens, TokenBucket::Time now) const {
  QuotaVerdict verdict;
  if (account_ == nullptr) return verdict;
  {
    const std::lock_guard lock(account_->mutex);
    if (account_->bucket.has_value()) verdict = account_->bucket->Take(tokens, max_item_tokens, now);
  }
  if (verdict.kind == QuotaVerdict::Kind::kTaken) {
    account_->tokens.fetch_add(tokens, std::memory_order_relaxed);
  } else {
    account_->refused.fetch_add(1, std::memory_order_relaxed);
  }
  return verdict;
}

void Caller::Refund(int64_t tokens) const {
  if (account_ == nullptr) return;
  account_->tokens.fetch_sub(tokens, std::memory_order_relaxed);
  const std::lock_guard lock(account_->mutex);
  if (account_->bucket.has_value()) account_->bucket->GiveBack(tokens);
}

}  // namespace attendant
