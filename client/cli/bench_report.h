// The outcome of a benchmark for people and for programs.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_BENCH_REPORT_H_
#define ATTENDANT_CLIENT_CLI_BENCH_REPORT_H_

#include <string>

#include "client/cli/load_runner.h"
#include "client/lib/types.h"

namespace attendant::cli {

// What was measured, for the head of the report.
struct BenchSubject {
  std::string server;
  client::ModelInfo model;
  std::string mode;      // "closed loop, 8 calls at a time"
  std::string workload;  // "synthetic ids, lognormal lengths, 1 item a request"
  LoadPlan plan;
  int items_per_request = 1;
  bool stream = false;
};

std::string BenchText(const BenchSubject& subject, const LoadOutcome& outcome);
std::string BenchJson(const BenchSubject& subject, const LoadOutcome& outcome);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_BENCH_REPORT_H_
