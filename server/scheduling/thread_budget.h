// How many CPUs this process may really use: affinity mask and cgroup (v1 or v2) CPU quota, not what the host has.
//
// It is not: a decision about hyper-threads or NUMA.
// Thread-safety: a pure function of the system's files at the time of the call.
#ifndef ATTENDANT_SERVER_SCHEDULING_THREAD_BUDGET_H_
#define ATTENDANT_SERVER_SCHEDULING_THREAD_BUDGET_H_

#include <string>

namespace attendant {

struct ThreadBudgetOptions {
  std::string root;       // put before /proc and /sys; a directory of files in tests
  int affinity_cpus = 0;  // 0: ask the kernel
};

struct ThreadBudget {
  int threads = 1;
  std::string explanation;  // one sentence for the start-up log
};

// The smaller of the affinity mask and the quota rounded up (a quota of 1.5 CPUs keeps two threads busy for three
// quarters of the time; one thread would leave a third of it unused), at least 1. The quota is the tightest of the
// process's own cgroup and all above it that are visible. Files that cannot be read set no limit.
ThreadBudget ComputeThreadBudget(const ThreadBudgetOptions& options = {});

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SCHEDULING_THREAD_BUDGET_H_
