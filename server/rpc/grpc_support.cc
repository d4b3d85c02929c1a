#include "server/rpc/grpc_support.h"

#include <google/protobuf/io/gzip_stream.h>
#include <grpc/support/time.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/observability/logging.h"
#include "server/rpc/message_scan.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

// Far beyond any call, and far from the end of the steady clock's numbers.
constexpr int64_t kMaxTimeoutSeconds = 10LL * 365 * 24 * 3600;

// Why did these bytes not parse? Runs again over them, this time through the strings, too.
absl::Status ExplainParseFailure(const google::protobuf::Descriptor& type, grpc::ByteBuffer* bytes) {
  grpc::ProtoBufferReader reader(bytes);
  const ScanOptions options{.max_items = std::numeric_limits<int64_t>::max(), .check_utf8 = true};
  absl::Status status = ScanMessage(type, &reader, options).status;
  return status.ok() ? InvalidField("(message)", absl::StrCat("the bytes are not a ", type.full_name())) : status;
}

absl::Status TooLarge(const std::string& what, const RequestLimits& limits) {
  return InvalidField(
      "(message)", absl::StrCat(what, " more than the limit of ", limits.max_message_bytes, " (--max-message-bytes)"));
}

// gRPC's C structure behind the bytes knows whether they came compressed.
class CompressionOf : public grpc::ProtoBufferReader {
 public:
  explicit CompressionOf(grpc::ByteBuffer* bytes) : ProtoBufferReader(bytes) {}
  grpc_compression_algorithm value() { return reader()->buffer_in->data.raw.compression; }
};

// gRPC would inflate a message whole before it looks at the size: a megabyte of zeros becomes a gigabyte. So the server
// switches that off and inflates here, no further than the limit.
absl::Status Decompress(const RequestLimits& limits, grpc::ByteBuffer* bytes, Reservation* reservation) {
  if (!bytes->Valid() || CompressionOf(bytes).value() == GRPC_COMPRESS_NONE) return absl::OkStatus();
  grpc::ProtoBufferReader compressed(bytes);
  google::protobuf::io::GzipInputStream inflated(&compressed);
  std::vector<grpc::Slice> slices;
  int64_t total = 0;
  const void* data = nullptr;
  int size = 0;
  while (inflated.Next(&data, &size)) {
    total += size;
    if (total > limits.max_message_bytes) return TooLarge("when decompressed it is", limits);
    if (absl::Status status = Reserve(size, reservation); !status.ok()) return status;
    slices.emplace_back(data, static_cast<size_t>(size));
  }
  constexpr int kStreamEnd = 1;  // zlib's Z_STREAM_END
  if (inflated.ZlibErrorCode() != kStreamEnd) return InvalidField("(message)", "its compression is broken");
  *bytes = grpc::ByteBuffer(slices.data(), slices.size());
  return absl::OkStatus();
}

// gRPC writes a peer as "ipv4:10.0.0.1:1234", "ipv6:%5B::1%5D:1234" or "unix:PATH".
std::string WithoutPort(const std::string& peer) {
  return peer.rfind("unix:", 0) == 0 ? peer : peer.substr(0, peer.rfind(':'));
}

absl::Status TooManyItems(int64_t limit) {
  return InvalidField("items", absl::StrCat("there are more than the limit of ", limit, " (--max-items-per-request)"));
}

}  // namespace

void RunWhereItFits(const ServiceCore& core, size_t request_bytes, std::function<void()> task) {
  if (request_bytes <= kInlineRequestBytes) return task();
  core.pool->Post(std::move(task));
}

CallContext NewCallContext(const ServiceCore& core, const grpc::CallbackServerContext& context,
                           std::shared_ptr<CancelToken> cancel) {
  const gpr_timespec deadline = context.raw_deadline();
  CallContext call;
  call.flow = WithoutPort(context.peer());
  call.arrival = std::chrono::steady_clock::now();
  call.cancel = std::move(cancel);
  call.reservation = std::make_shared<Reservation>(core.budget);
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    if (core.limits.default_timeout.count() > 0) call.deadline = call.arrival + core.limits.default_timeout;
  } else {
    const int64_t seconds = std::clamp<int64_t>(left.tv_sec, -1, kMaxTimeoutSeconds);
    call.deadline = call.arrival + std::chrono::seconds(seconds) + std::chrono::nanoseconds(left.tv_nsec);
  }
  return call;
}

absl::Status ParseMessage(const ServiceCore& core, grpc::ByteBuffer* bytes, Reservation* reservation,
                          google::protobuf::Message* message) {
  const auto size = static_cast<int64_t>(bytes->Length());
  if (size > core.limits.max_message_bytes) return TooLarge(absl::StrCat(size, " bytes are"), core.limits);
  absl::Status status = Reserve(size, reservation);
  if (status.ok()) status = Decompress(core.limits, bytes, reservation);
  if (!status.ok()) return status;
  MessageScan scan;
  {
    grpc::ProtoBufferReader reader(bytes);
    scan = ScanMessage(*message->GetDescriptor(), &reader, {.max_items = core.limits.max_items_per_request});
  }
  if (!scan.status.ok()) return scan.status;
  if (scan.items > core.limits.max_items_per_request) return TooManyItems(core.limits.max_items_per_request);
  if (status = Reserve(scan.memory_bytes, reservation); !status.ok()) return status;
  grpc::ProtoBufferReader reader(bytes);
  if (message->ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  return ExplainParseFailure(*message->GetDescriptor(), bytes);
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::Message& message) {
  grpc::ByteBuffer bytes;
  bool own_buffer = false;
  // Fails only for a message above 2 GB, which no limit allows.
  const grpc::Status status =
      grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(message, &bytes, &own_buffer);
  return status.ok() ? bytes : grpc::ByteBuffer();
}

grpc::Status EndCall(const absl::Status& status, grpc::CallbackServerContext* context) {
  if (const auto delay = RetryAfterOf(status); delay.count() > 0) {
    context->AddTrailingMetadata(kRetryPushbackKey, std::to_string(delay.count()));
  } else if (absl::IsResourceExhausted(status)) {
    context->AddTrailingMetadata(kRetryPushbackKey, "-1");  // gRPC's word for "do not try again"
  }
  return ToGrpcStatus(status);
}

RequestRecorder::RequestRecorder(const ServiceCore& core, RpcMethod method, const grpc::CallbackServerContext* context)
    : core_(core),
      method_(method),
      arrival_(std::chrono::steady_clock::now()),
      peer_(core.access_log ? context->peer() : "") {
  if (core_.metrics != nullptr) core_.metrics->RequestStarted(method_);
}

void RequestRecorder::Finish(const absl::Status& status, const CallReport& report) {
  const Microseconds total = Since(arrival_);
  int64_t items = 0;
  for (const auto& [code, count] : report.items) items += count;
  if (core_.metrics != nullptr) {
    core_.metrics->RequestFinished({.method = method_,
                                    .code = status.code(),
                                    .total = total,
                                    .tokenize = report.tokenize,
                                    .queue = report.queue,
                                    .compute = report.compute});
    for (const auto& [code, count] : report.items) core_.metrics->ItemsFinished(method_, code, count);
  }
  if (!core_.access_log) return;
  const auto us = [](const std::optional<Microseconds>& time) { return time.value_or(Microseconds(0)).count(); };
  LogInfo("call", {{"method", RpcMethodName(method_)},
                   {"peer", peer_},
                   {"code", StatusCodeName(status.code())},
                   {"items", items},
                   {"total_us", total.count()},
                   {"tokenize_us", us(report.tokenize)},
                   {"queue_us", us(report.queue)},
                   {"compute_us", us(report.compute)}});
}

}  // namespace attendant
