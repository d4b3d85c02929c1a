// What every RPC works with: the server's parts, the call's own facts, and how it ended.
//
// It is not: tied to gRPC; the flows that use it (embed_flow.h, ...) take messages and give messages.
// Thread-safety: ServiceCore is read-only and shared; a CallContext and an Outcome belong to one call, whose stages run
// one after another on different threads. Ownership: ServiceCore borrows its parts, which outlive every call.
#ifndef ATTENDANT_SERVER_RPC_SERVICE_CORE_H_
#define ATTENDANT_SERVER_RPC_SERVICE_CORE_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/models/model_registry.h"
#include "server/rpc/byte_budget.h"
#include "server/rpc/limits.h"
#include "server/scheduling/scheduler.h"
#include "server/scheduling/work_sharing.h"
#include "server/security/caller.h"

namespace attendant {

class ApiKeys;
class Metrics;
class WorkPool;

struct ServiceCore {
  const ModelRegistry* models = nullptr;
  Scheduler* scheduler = nullptr;
  WorkSharing* sharing = nullptr;  // may be null: every item is computed by itself
  WorkPool* pool = nullptr;
  ByteBudget* budget = nullptr;
  Metrics* metrics = nullptr;
  const ApiKeys* keys = nullptr;  // none: whoever can connect may call
  Right right = Right::kEmbed;    // what a key must open to be let in here
  RequestLimits limits;
  bool access_log = false;
};

// The models that a stream began with: all its requests for a name are answered by the same one, so that a swap does
// not mix vectors of two fingerprints into one stream. They are held to the stream's end. Thread-safe.
class StreamModels {
 public:
  absl::StatusOr<ModelRef> Find(const ServiceCore& core, std::string_view name);

 private:
  std::mutex mutex_;
  std::map<std::string, ModelRef, std::less<>> models_;  // as many as there are at most
};

// Made by CallChain alone: whoever holds one has come through the whole chain.
struct CallContext {
  SteadyTime arrival;
  SteadyTime deadline = SteadyTime::max();
  ServiceClass default_class = ServiceClass::kInteractive;  // of a request that names none
  std::shared_ptr<CancelToken> cancel;                      // never null
  std::shared_ptr<Reservation> reservation;  // never null; the call's memory, until its answer is on the wire
  std::shared_ptr<const Caller> caller;      // never null
  std::string flow;                          // whom the scheduler is fair to: the key, or the address without port

  std::shared_ptr<StreamModels> models;  // of the stream that the call is part of; null: it is none

  // CANCELLED or DEADLINE_EXCEEDED when nobody waits for an answer any more.
  absl::Status Check() const;

 private:
  CallContext() = default;
  friend class CallChain;
  friend class CallContextMaker;  // of tests
};

// For metrics, the access log and CallMetadata. A stage that was not reached is unset.
struct CallReport {
  std::optional<Microseconds> tokenize;
  std::optional<Microseconds> queue;
  std::optional<Microseconds> compute;
  std::map<absl::StatusCode, int64_t> items;  // by their own outcome
};

template <typename Response>
struct Outcome {
  absl::Status status;
  Response response;  // with status OK
  CallReport report;
};

template <typename Response>
using Done = std::function<void(Outcome<Response>)>;

// The model that a request asks for ("": the default), to be looked up once and held to the call's end. NOT_FOUND lists
// what there is; UNAVAILABLE while it is being loaded; FAILED_PRECONDITION when that has failed.
absl::StatusOr<ModelRef> FindModel(const ServiceCore& core, std::string_view name);
// The same for a request that may be part of a stream.
absl::StatusOr<ModelRef> FindModel(const ServiceCore& core, const CallContext& call, std::string_view name);
// Its error, for who has looked for himself.
absl::Status NoSuchModel(const ServiceCore& core, std::string_view name);

// Adds bytes to what a call holds. RESOURCE_EXHAUSTED when others hold too much at the moment, INVALID_ARGUMENT when
// the call alone would be too large; both name the flag.
absl::Status Reserve(int64_t bytes, Reservation* reservation);

// Takes a request's tokens from the quota of the caller's key, before the request is submitted. RESOURCE_EXHAUSTED
// names the key and the quota, and says when to come again, unless so large a request can never be accepted.
absl::Status ChargeQuota(const CallContext& call, int64_t tokens, int64_t max_item_tokens);

// Hands items and class over to the scheduler, for this caller and model. When it is refused, what ChargeQuota took is
// given back, and the error has the scheduler's hint when to come back.
absl::Status SubmitWork(const ServiceCore& core, const CallContext& call, const ModelRef& model, WorkCall work,
                        int64_t charged_tokens);

inline Microseconds Since(SteadyTime start) {
  return std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - start);
}

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_SERVICE_CORE_H_
