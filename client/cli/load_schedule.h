// When each request of a benchmark is meant to start, and when the benchmark is over.
//
// Closed loop: whoever is free starts the next at once. Open loop: requests arrive by a Poisson process at the given
// rate whether or not earlier ones were answered, and latency counts from the arrival, so a server that stalls cannot
// hide the requests that waited meanwhile (coordinated omission).
// Thread-safety: Next may be called from any thread.
#ifndef ATTENDANT_CLIENT_CLI_LOAD_SCHEDULE_H_
#define ATTENDANT_CLIENT_CLI_LOAD_SCHEDULE_H_

#include <cstdint>
#include <mutex>
#include <optional>
#include <random>

#include "client/lib/types.h"

namespace attendant::cli {

struct LoadPlan {
  int concurrency = 8;                 // requests at the same time: exactly (closed loop), at most (open loop)
  double rate = 0;                     // requests a second; 0: closed loop
  client::Milliseconds warm_up{1000};  // started and answered, but not counted
  client::Milliseconds duration{10'000};
  int64_t requests = 0;  // counted ones; 0: as many as fit in the duration, else instead of the duration
  uint64_t seed = 1;
};

class LoadSchedule {
 public:
  LoadSchedule(const LoadPlan& plan, client::SteadyTime start);

  struct Start {
    int64_t index = 0;
    client::SteadyTime time;  // open loop: to be waited for, may have passed already
    bool counted = false;
  };
  // The next request to start; nullopt when there is none any more. now: when it would start in a closed loop.
  std::optional<Start> Next(client::SteadyTime now);

  client::SteadyTime counting_from() const { return counting_from_; }
  // Arrivals that nobody started, because the server fell too far behind; after Next has returned nullopt.
  int64_t unsent() const;

 private:
  bool IsOver(client::SteadyTime time) const;
  void AdvanceArrival();

  const LoadPlan plan_;
  const client::SteadyTime counting_from_;
  const client::SteadyTime end_;
  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  client::SteadyTime arrival_;
  int64_t next_index_ = 0;
  int64_t counted_ = 0;
  int64_t unsent_ = 0;
};

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_LOAD_SCHEDULE_H_
