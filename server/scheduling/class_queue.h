// The queue of one class of service: who is next.
//
// Two rules. Between flows (an API key's calls to one model, or a peer's), fairness: a flow's virtual time is the
// compute time it was served, divided by its weight; a flow may run ahead of the one that was served least by an
// allowance, and waits when it is further ahead. Among the flows that need not wait, and within a flow, the earliest
// place first: a call's place is the earlier of its deadline and its arrival + patience, then the order of arrival.
// (Eligible flows by least service, then earliest deadline: as EEVDF does, Stoica and Abdel-Wahab 1995.)
//
// So a flow with work waits at most until each other flow has had its allowance and one more item; while only one flow
// has work, the order is earliest deadline first.
//
// It is policy only: no lock, no clock. Thread-safety: none.
#ifndef ATTENDANT_SERVER_SCHEDULING_CLASS_QUEUE_H_
#define ATTENDANT_SERVER_SCHEDULING_CLASS_QUEUE_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "server/scheduling/scheduler_types.h"

namespace attendant {

class ClassQueue {
 public:
  using Place = std::pair<SteadyTime, uint64_t>;  // then order of arrival
  // Flows beyond this many share some: their number must not make taking work slow.
  static constexpr size_t kMaxFlows = 256;
  // In computed time of one worker: long enough that calls are not cut to pieces, short enough to wait for.
  static constexpr double kAllowanceUs = 50'000;

  struct Flow;
  struct Call {
    WorkCall work;
    Place place;
    SteadyTime arrival;
    size_t next = 0;     // items before it have left the queue
    double cost_us = 0;  // predicted, of the items that have not
    Flow* flow = nullptr;
  };
  struct Flow {
    double weight = 1;
    double virtual_us = 0;
    double cost_us = 0;  // predicted, of its calls
    std::map<Place, Call*> calls;
  };

  // cost_us: predicted for all its items, with the correction of the moment.
  void Push(WorkCall work, Place place, SteadyTime arrival, double cost_us);

  // The call whose turn it is, among those for the given model (null: any); null: none, or none whose flow need not
  // wait for another model's.
  Call* Next(const ModelRuntime* runtime);
  // The call's next item leaves: it cost this much, and is charged to the flow if it is served.
  enum class Fate { kServed, kDropped };
  WorkItem Take(Call* call, double cost_us, Fate fate);
  // A call without items left. Invalidates the pointer.
  void Remove(Call* call);

  // In order of place.
  std::map<Place, Call>& calls() { return calls_; }

  bool empty() const { return calls_.empty(); }
  SteadyTime first_place() const { return calls_.begin()->first.first; }
  int64_t items() const { return items_; }
  int64_t tokens() const { return tokens_; }
  double cost_us() const { return cost_us_; }

  // What a call that came now would find. It is a prediction: later calls may come before it.
  struct Forecast {
    double ahead_us = 0;         // compute time that would be served before it
    bool delays_others = false;  // it would make calls late that now are in time
  };
  struct Arrival {
    const WorkCall* work = nullptr;
    SteadyTime place;
    double cost_us = 0;
  };
  // us_per_us: wall time for each microsecond of compute time, that is 1 / workers.
  Forecast Predict(const Arrival& arrival, SteadyTime now, double us_per_us) const;

 private:
  using FlowKey = std::pair<std::string, const ModelRuntime*>;

  Flow* FlowOf(const WorkCall& work);
  const Flow* FindFlow(const WorkCall& work) const;
  FlowKey KeyOf(const WorkCall& work) const;
  // The least virtual time of flows with work; without work, that of the last moment when there was.
  double VirtualNow();
  void ForgetIdleFlows(double now_us);

  std::map<Place, Call> calls_;
  std::map<FlowKey, Flow> flows_;  // those with work, and those that had more than their share lately
  double virtual_now_us_ = 0;
  int64_t items_ = 0;
  int64_t tokens_ = 0;
  double cost_us_ = 0;
  int64_t busy_flows_ = 0;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_CLASS_QUEUE_H_
