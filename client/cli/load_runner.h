// Runs a load against a server and counts what comes of it.
//
// RunCalls: threads that make one blocking call after the other. RunStream: one thread, one stream, requests in flight
// on it. Both take the time of a request from its place in the LoadSchedule.
#ifndef ATTENDANT_CLIENT_CLI_LOAD_RUNNER_H_
#define ATTENDANT_CLIENT_CLI_LOAD_RUNNER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "client/cli/histogram.h"
#include "client/cli/load_schedule.h"
#include "client/cli/workload.h"
#include "client/lib/clock.h"
#include "client/lib/embed_stream.h"

namespace attendant::cli {

struct LoadOutcome {
  int64_t requests = 0;  // counted ones, failed ones included
  int64_t items = 0;     // that succeeded
  int64_t tokens = 0;
  int64_t failed_items = 0;
  int64_t unsent = 0;
  std::map<absl::StatusCode, int64_t> failed_requests;
  std::map<absl::StatusCode, int64_t> item_errors;  // of requests that succeeded as a whole
  double seconds = 0;                               // from the first counted start to the last answer
  Histogram latency_us;                             // of requests that succeeded, from the intended start
  Histogram refused_us;  // of requests answered with RESOURCE_EXHAUSTED, from the moment of sending
  Histogram tokenize_us;
  Histogram queue_us;
  Histogram compute_us;
  Histogram server_total_us;
};

struct SentRequest {
  LoadSchedule::Start start;
  client::SteadyTime sent;
};

// Collects answers. Thread-safe.
class LoadRecorder {
 public:
  void Record(const SentRequest& request, client::SteadyTime end, const absl::StatusOr<client::EmbedReply>& reply);
  LoadOutcome Finish(const LoadSchedule& schedule);

 private:
  std::mutex mutex_;
  LoadOutcome outcome_;
  client::SteadyTime last_end_{};
};

using EmbedCall = std::function<absl::StatusOr<client::EmbedReply>(const std::vector<const client::Item*>& items)>;
LoadOutcome RunCalls(const LoadPlan& plan, const Workload& workload, client::Clock& clock, const EmbedCall& call);

struct StreamLoad {
  std::function<std::unique_ptr<client::EmbedStream>()> open;
  client::EmbedOptions options{};
  client::Milliseconds answer_timeout{30'000};  // nothing answered for this long ends the run
};
LoadOutcome RunStream(const LoadPlan& plan, const Workload& workload, client::Clock& clock, const StreamLoad& stream);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_LOAD_RUNNER_H_
