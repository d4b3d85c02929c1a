// A gRPC service as the endpoint registers it and health knows it. Plain data.
#ifndef ATTENDANT_SERVER_RPC_ENDPOINT_SERVICE_H_
#define ATTENDANT_SERVER_RPC_ENDPOINT_SERVICE_H_

namespace grpc {
class Service;
}

namespace attendant {

// kNotOffered: registered, so that its calls get an answer that says why, but NOT_SERVING in health for ever.
enum class Offer { kOffered, kNotOffered };

struct EndpointService {
  grpc::Service* service = nullptr;
  const char* full_name = "";
  Offer offer = Offer::kOffered;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_ENDPOINT_SERVICE_H_
