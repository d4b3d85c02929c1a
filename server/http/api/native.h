// attendant.v1 in JSON: POST /attendant/v1/METHOD with the method's request in protobuf's own mapping to JSON, answered
// by its response in the same; and /metrics.
//
// GetAttention, which is a stream over gRPC, answers {"header": ..., "values_base64": little-endian float32}.
// Thread-safety: Register before the server starts. The cores must outlive the server.
#ifndef ATTENDANT_SERVER_HTTP_API_NATIVE_H_
#define ATTENDANT_SERVER_HTTP_API_NATIVE_H_

#include "server/http/api/http_call.h"
#include "server/http/http_server.h"

namespace attendant {

void RegisterNative(const HttpDoorCore& core, HttpServer* server);

// metrics_core: its key must open metrics.
void RegisterMetrics(const HttpDoorCore& metrics_core, HttpServer* server);

// {"error": {"code", "message", "field"}}
HttpResponse NativeError(const absl::Status& status);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_NATIVE_H_
