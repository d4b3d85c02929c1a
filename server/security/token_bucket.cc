#include "server/security/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace attendant {

TokenBucket::TokenBucket(int64_t tokens_per_second)
    : rate_(tokens_per_second), level_(static_cast<double>(kBurstSeconds * tokens_per_second)) {}

int64_t TokenBucket::burst() const { return std::max(kBurstSeconds * rate_, max_item_tokens_); }

void TokenBucket::SetRate(int64_t tokens_per_second) {
  rate_ = tokens_per_second;
  level_ = std::min(level_, static_cast<double>(burst()));
}

QuotaVerdict TokenBucket::Take(int64_t tokens, int64_t max_item_tokens, Time now) {
  if (max_item_tokens > max_item_tokens_) {
    // The bucket turns out to be larger than it was thought; its owner has not used the difference yet.
    const int64_t before = burst();
    max_item_tokens_ = max_item_tokens;
    level_ += static_cast<double>(burst() - before);
  }
  if (started_ && now > last_) {
    const double seconds = std::chrono::duration<double>(now - last_).count();
    level_ = std::min(level_ + seconds * static_cast<double>(rate_), static_cast<double>(burst()));
  }
  if (!started_ || now > last_) last_ = now;
  started_ = true;
  QuotaVerdict verdict{.burst = burst()};
  if (tokens > verdict.burst) {
    verdict.kind = QuotaVerdict::Kind::kNever;
  } else if (static_cast<double>(tokens) > level_) {
    verdict.kind = QuotaVerdict::Kind::kLater;
    const double missing = static_cast<double>(tokens) - level_;
    verdict.retry_after =
        std::chrono::milliseconds(static_cast<int64_t>(std::ceil(missing * 1000 / static_cast<double>(rate_))));
  } else {
    level_ -= static_cast<double>(tokens);
  }
  return verdict;
}

void TokenBucket::GiveBack(int64_t tokens) {
  level_ = std::min(level_ + static_cast<double>(tokens), static_cast<double>(burst()));
}

}  // namespace attendant
