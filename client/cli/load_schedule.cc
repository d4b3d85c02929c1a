#include "client/cli/load_schedule.h"

#include <cmath>

#include "client/cli/workload.h"

namespace attendant::cli {
namespace {

// How long an open loop goes on sending overdue requests after its end. A server this far behind has lost the race;
// what is left is counted as unsent instead of prolonging the run without bound.
constexpr std::chrono::seconds kOverdueTime{5};

}  // namespace

LoadSchedule::LoadSchedule(const LoadPlan& plan, client::SteadyTime start)
    : plan_(plan),
      counting_from_(start + plan.warm_up),
      end_(counting_from_ + plan.duration),
      random_(plan.seed),
      arrival_(start) {
  if (plan_.rate > 0) AdvanceArrival();
}

// The gaps of a Poisson process are exponential.
void LoadSchedule::AdvanceArrival() {
  const std::chrono::duration<double> gap(-std::log(1.0 - UniformDouble(random_)) / plan_.rate);
  arrival_ += std::chrono::duration_cast<client::SteadyTime::duration>(gap);
}

bool LoadSchedule::IsOver(client::SteadyTime time) const {
  return plan_.requests > 0 ? counted_ >= plan_.requests : time >= end_;
}

std::optional<LoadSchedule::Start> LoadSchedule::Next(client::SteadyTime now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const bool open = plan_.rate > 0;
  // A warm-up that the server did not keep up with must not eat the measurement.
  while (open && arrival_ < counting_from_ && now >= counting_from_) AdvanceArrival();
  const client::SteadyTime time = open ? arrival_ : now;
  if (IsOver(time)) return std::nullopt;
  if (open && plan_.requests == 0 && now >= end_ + kOverdueTime) {
    for (; !IsOver(arrival_); AdvanceArrival()) ++unsent_;
    return std::nullopt;
  }
  const bool counted = time >= counting_from_;
  counted_ += counted ? 1 : 0;
  if (open) AdvanceArrival();
  return Start{next_index_++, time, counted};
}

int64_t LoadSchedule::unsent() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return unsent_;
}

}  // namespace attendant::cli
