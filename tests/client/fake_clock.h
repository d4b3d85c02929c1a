// A clock that stands still until someone sleeps on it; remembers every sleep. For one thread.
#ifndef ATTENDANT_TESTS_CLIENT_FAKE_CLOCK_H_
#define ATTENDANT_TESTS_CLIENT_FAKE_CLOCK_H_

#include <algorithm>
#include <vector>

#include "client/lib/clock.h"

namespace attendant::client {

class FakeClock : public Clock {
 public:
  SteadyTime Now() override { return now_; }
  void SleepUntil(SteadyTime time) override {
    sleeps_.push_back(std::chrono::duration_cast<Milliseconds>(time - now_));
    now_ = std::max(now_, time);
  }
  void Advance(Milliseconds step) { now_ += step; }
  const std::vector<Milliseconds>& sleeps() const { return sleeps_; }

 private:
  SteadyTime now_ = SteadyTime() + std::chrono::hours(1);
  std::vector<Milliseconds> sleeps_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_TESTS_CLIENT_FAKE_CLOCK_H_
