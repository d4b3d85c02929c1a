// ListModels and GetModel from message to message. At once, on the caller's thread; may be called from any.
#ifndef ATTENDANT_SERVER_RPC_MODEL_FLOWS_H_
#define ATTENDANT_SERVER_RPC_MODEL_FLOWS_H_

#include <memory>

#include "attendant/v1/embedding.pb.h"
#include "server/rpc/service_core.h"

namespace attendant {

void RunListModels(const ServiceCore& core, const CallContext& call,
                   const std::shared_ptr<const v1::ListModelsRequest>& request,
                   const Done<v1::ListModelsResponse>& done);
void RunGetModel(const ServiceCore& core, const CallContext& call,
                 const std::shared_ptr<const v1::GetModelRequest>& request, const Done<v1::Model>& done);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_MODEL_FLOWS_H_
