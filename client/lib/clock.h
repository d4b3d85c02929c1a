// Time as the client library sees it: one interface, so that waiting can be tested without waiting.
//
// Thread-safety: implementations must be callable from any thread. SystemClock() lives for the whole process.
#ifndef ATTENDANT_CLIENT_LIB_CLOCK_H_
#define ATTENDANT_CLIENT_LIB_CLOCK_H_

#include "client/lib/types.h"

namespace attendant::client {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() = 0;
  virtual void SleepUntil(SteadyTime time) = 0;
};

// std::chrono::steady_clock.
Clock& SystemClock();

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_CLOCK_H_
