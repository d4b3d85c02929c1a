// grpc.health.v1.Health/Check without generated code: both messages have one field, and Debian ships no stub for them.
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "client/lib/errors.h"
#include "client/lib/grpc_support.h"

namespace attendant::client {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr uint32_t kServiceTag = 1 << 3 | 2;  // HealthCheckRequest.service, field 1, length-delimited
constexpr uint32_t kStatusTag = 1 << 3 | 0;   // HealthCheckResponse.status, field 1, varint

std::string EncodeRequest(const std::string& service) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  CodedOutputStream out(&stream);
  if (!service.empty()) {
    out.WriteTag(kServiceTag);
    out.WriteVarint32(static_cast<uint32_t>(service.size()));
    out.WriteString(service);
  }
  out.Trim();
  return bytes;
}

// An empty message means UNKNOWN; fields that we do not know end the reading.
ServingStatus DecodeResponse(const grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.DumpToSingleSlice(&slice).ok()) return ServingStatus::kUnknown;
  CodedInputStream in(slice.begin(), static_cast<int>(slice.size()));
  uint32_t value = 0;
  if (in.ReadTag() != kStatusTag || !in.ReadVarint32(&value) || value > 3) return ServingStatus::kUnknown;
  return static_cast<ServingStatus>(value);
}

}  // namespace

absl::StatusOr<ServingStatus> CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                                          SteadyTime deadline, const std::string& where) {
  grpc::ClientContext context;
  context.set_deadline(ToGrpcTime(deadline));
  const grpc::Slice slice(EncodeRequest(service));
  const grpc::ByteBuffer request(&slice, 1);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(channel);
  auto call = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return FromGrpc(status, where);
  return DecodeResponse(response);
}

}  // namespace attendant::client
