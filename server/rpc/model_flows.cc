#include "server/rpc/model_flows.h"

#include <string>
#include <utility>

#include "server/rpc/conversion.h"

namespace attendant {

void RunListModels(const ServiceCore& core, const CallContext&, const std::shared_ptr<const v1::ListModelsRequest>&,
                   const Done<v1::ListModelsResponse>& done) {
  Outcome<v1::ListModelsResponse> outcome;
  for (const ModelStatus& status : core.models->List()) SetModel(status, core.limits, outcome.response.add_models());
  done(std::move(outcome));
}

void RunGetModel(const ServiceCore& core, const CallContext&, const std::shared_ptr<const v1::GetModelRequest>& request,
                 const Done<v1::Model>& done) {
  Outcome<v1::Model> outcome;
  const std::string name = request->name().empty() ? core.models->default_name() : request->name();
  // Draining ones have the names of their successors, and come last.
  for (const ModelStatus& status : core.models->List()) {
    if (status.name != name || status.state == ModelState::kDraining) continue;
    SetModel(status, core.limits, &outcome.response);
    return done(std::move(outcome));
  }
  outcome.status = NoSuchModel(core, request->name());
  done(std::move(outcome));
}

}  // namespace attendant
