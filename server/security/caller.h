// Who is calling, and what that caller may do: the name and rights of its API key, its class, its quota.
//
// A Caller is what one line of the key file says, and immutable; its account (quota and counts) is shared with the
// callers that later versions of the file make of the same name, so a re-read fills no bucket and resets no counter.
// Thread-safety: every member from any thread. Ownership: shared; a call keeps its caller until it has ended.
#ifndef ATTENDANT_SERVER_SECURITY_CALLER_H_
#define ATTENDANT_SERVER_SECURITY_CALLER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/scheduling/service_class.h"
#include "server/security/token_bucket.h"

namespace attendant {

// What a key opens: the models, /metrics, the administration of the server.
enum class Right : uint8_t { kEmbed = 1, kMetrics = 2, kAdmin = 4 };

// What outlives a re-read of the file.
struct KeyAccount {
  std::mutex mutex;                   // guards the bucket
  std::optional<TokenBucket> bucket;  // none: no quota
  std::atomic<int64_t> requests{0};
  std::atomic<int64_t> tokens{0};   // charged
  std::atomic<int64_t> refused{0};  // requests, by the quota
};

struct CallerOptions {
  std::string name;
  ServiceClass ceiling = ServiceClass::kInteractive;  // the best class that its requests get
  int64_t tokens_per_second = 0;                      // 0: no quota
  uint8_t rights = static_cast<uint8_t>(Right::kEmbed);
};

class Caller {
 public:
  // account: that of an earlier caller of this name, or a new one.
  Caller(CallerOptions options, std::shared_ptr<KeyAccount> account);

  // Of a server without keys: may do everything, has no quota.
  static std::shared_ptr<const Caller> Anonymous();

  const std::string& name() const { return options_.name; }
  bool has_key() const { return account_ != nullptr; }
  bool Has(Right right) const { return (options_.rights & static_cast<uint8_t>(right)) != 0; }
  ServiceClass ceiling() const { return options_.ceiling; }
  int64_t tokens_per_second() const { return options_.tokens_per_second; }
  const std::shared_ptr<KeyAccount>& account() const { return account_; }

  // The class of a request that asks for one, or for none: then the door's default. PERMISSION_DENIED names the key
  // when it asks for a better one than the key gives.
  absl::StatusOr<ServiceClass> ChooseClass(std::optional<ServiceClass> asked, ServiceClass by_default) const;

  void CountRequest() const;
  // Takes the tokens of a request from the quota and counts them; counts the refusal otherwise.
  QuotaVerdict Charge(int64_t tokens, int64_t max_item_tokens, TokenBucket::Time now) const;
  void Refund(int64_t tokens) const;

 private:
  const CallerOptions options_;
  const std::shared_ptr<KeyAccount> account_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_CALLER_H_
