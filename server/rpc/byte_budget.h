// The memory that requests and their results may take together: bytes are reserved before they are allocated, and a
// call that cannot reserve is refused, so that no number of clients can make the process grow without bound.
//
// It is not: an allocator; it only counts. Thread-safety: a ByteBudget is thread-safe; a Reservation belongs to one
// call, whose stages run one after another. The budget must outlive its reservations.
#ifndef ATTENDANT_SERVER_RPC_BYTE_BUDGET_H_
#define ATTENDANT_SERVER_RPC_BYTE_BUDGET_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace attendant {

class ByteBudget {
 public:
  explicit ByteBudget(int64_t limit) : limit_(limit) {}

  int64_t limit() const { return limit_; }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }

  bool TryTake(int64_t bytes) {
    int64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void GiveBack(int64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const int64_t limit_;
  std::atomic<int64_t> used_{0};
};

// What one call holds of a budget; given back when it goes.
class Reservation {
 public:
  explicit Reservation(ByteBudget* budget) : budget_(budget) {}
  ~Reservation() { budget_->GiveBack(bytes_); }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;

  [[nodiscard]] bool Grow(int64_t bytes) {
    if (!budget_->TryTake(bytes)) return false;
    bytes_ += bytes;
    return true;
  }
  int64_t bytes() const { return bytes_; }
  const ByteBudget& budget() const { return *budget_; }

 private:
  ByteBudget* budget_;
  int64_t bytes_ = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_BYTE_BUDGET_H_
