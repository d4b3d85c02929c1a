#include "server/rpc/health_service.h"

#include <grpcpp/support/server_callback.h>

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"

namespace attendant {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class Watch;

// What is asked about: not a name of ours, one that is never served, or one that is served when the server is.
enum class Known { kNo, kNotOffered, kYes };

// What all watches share. Lock order: this lock is never held while a watch takes another.
struct HealthState {
  std::mutex mutex;  // guards what follows
  bool serving = false;
  bool ending = false;
  std::set<Watch*> watches;

  HealthCheckResponse::ServingStatus StatusOf(Known known) const {
    if (known == Known::kNo) return HealthCheckResponse::SERVICE_UNKNOWN;
    return known == Known::kYes && serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  }
};

// Sends the status whenever it differs from the one sent last. Owns itself until OnDone.
class Watch final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watch(HealthState* state, Known known) : state_(state), known_(known) {
    const std::lock_guard lock(state_->mutex);
    state_->watches.insert(this);
    Proceed();
  }

  // Under the lock.
  void Proceed() {
    if (finished_ || writing_) return;
    const auto status = state_->StatusOf(known_);
    if (!cancelled_ && (!sent_ || response_.status() != status)) {
      sent_ = writing_ = true;
      response_.set_status(status);
      return StartWrite(&response_);
    }
    if (!cancelled_ && !state_->ending) return;
    finished_ = true;
    Finish(cancelled_ ? grpc::Status::CANCELLED
                      : grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down"));
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(state_->mutex);
    writing_ = false;
    cancelled_ = cancelled_ || !ok;
    Proceed();
  }

  void OnCancel() override {
    const std::lock_guard lock(state_->mutex);
    cancelled_ = true;
    Proceed();
  }

  void OnDone() override {
    {
      const std::lock_guard lock(state_->mutex);
      state_->watches.erase(this);
    }
    delete this;
  }

 private:
  HealthState* const state_;
  const Known known_;
  // All under the state's lock.
  HealthCheckResponse response_;
  bool sent_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace

class HealthService::Impl final : public grpc::health::v1::Health::CallbackService {
 public:
  explicit Impl(const std::vector<EndpointService>& services) {
    known_[""] = Known::kYes;
    for (const EndpointService& service : services) {
      known_[service.full_name] = service.offer == Offer::kOffered ? Known::kYes : Known::kNotOffered;
    }
  }

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const HealthCheckRequest* request,
                                  HealthCheckResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const Known known = Find(request->service());
    if (known == Known::kNo) {
      reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no service of this name"));
      return reactor;
    }
    {
      const std::lock_guard lock(state_.mutex);
      response->set_status(state_.StatusOf(known));
    }
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<HealthCheckResponse>* Watch(grpc::CallbackServerContext*,
                                                       const HealthCheckRequest* request) override {
    return new attendant::Watch(&state_, Find(request->service()));
  }

  // Changes the state and tells every watch.
  template <typename Change>
  void Update(Change change) {
    const std::lock_guard lock(state_.mutex);
    change(&state_);
    for (attendant::Watch* watch : state_.watches) watch->Proceed();
  }

 private:
  Known Find(const std::string& service) const {
    const auto found = known_.find(service);
    return found == known_.end() ? Known::kNo : found->second;
  }

  std::map<std::string, Known> known_;
  HealthState state_;
};

HealthService::HealthService(const std::vector<EndpointService>& services) : impl_(std::make_unique<Impl>(services)) {}
HealthService::~HealthService() = default;

grpc::Service* HealthService::grpc_service() { return impl_.get(); }

void HealthService::SetServing(bool serving) {
  impl_->Update([serving](HealthState* state) { state->serving = serving; });
}

void HealthService::EndWatches() {
  impl_->Update([](HealthState* state) { state->ending = true; });
}

}  // namespace attendant
