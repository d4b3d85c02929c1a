// A quota of tokens per second as a bucket that fills at that rate and is emptied by requests.
//
// Idea: a caller who was quiet may spend at once what it saved, up to the burst: two seconds of its quota, but never
// less than the largest item there is, because an item cannot be sent in parts.
// Pure: time is passed in. Thread-safety: none of its own; KeyAccount holds it under a lock.
#ifndef ATTENDANT_SERVER_SECURITY_TOKEN_BUCKET_H_
#define ATTENDANT_SERVER_SECURITY_TOKEN_BUCKET_H_

#include <chrono>
#include <cstdint>

namespace attendant {

inline constexpr int64_t kBurstSeconds = 2;

struct QuotaVerdict {
  enum class Kind { kTaken, kLater, kNever };
  Kind kind = Kind::kTaken;
  std::chrono::milliseconds retry_after{0};  // with kLater
  int64_t burst = 0;                         // the most that one request may ever take
};

class TokenBucket {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Full at first. tokens_per_second: at least 1.
  explicit TokenBucket(int64_t tokens_per_second);

  int64_t tokens_per_second() const { return rate_; }
  // What is in the bucket stays, as far as it fits.
  void SetRate(int64_t tokens_per_second);

  // Takes all of the tokens, or none. max_item_tokens: the largest item of the model in question.
  QuotaVerdict Take(int64_t tokens, int64_t max_item_tokens, Time now);
  // What was taken for work that was then not done.
  void GiveBack(int64_t tokens);

 private:
  int64_t burst() const;

  int64_t rate_;
  int64_t max_item_tokens_ = 0;  // the largest seen: one bucket serves all models
  double level_;
  bool started_ = false;
  Time last_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_TOKEN_BUCKET_H_
