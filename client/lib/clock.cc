#include "client/lib/clock.h"

#include <thread>

namespace attendant::client {
namespace {

class RealClock : public Clock {
 public:
  SteadyTime Now() override { return std::chrono::steady_clock::now(); }
  void SleepUntil(SteadyTime time) override { std::this_thread::sleep_until(time); }
};

}  // namespace

Clock& SystemClock() {
  static RealClock* const clock = new RealClock;
  return *clock;
}

}  // namespace attendant::client
