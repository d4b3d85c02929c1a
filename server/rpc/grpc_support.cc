#include "server/rpc/grpc_support.h"

#include <google/protobuf/io/gzip_stream.h>
#include <grpc/support/time.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/message_scan.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/work_pool.h"

namespace attendant {
namespace {

// Far beyond any call, and far from the end of the steady clock's numbers.
constexpr int64_t kMaxTimeoutSeconds = 10LL * 365 * 24 * 3600;

std::optional<SteadyTime> DeadlineOf(const grpc::CallbackServerContext& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return std::nullopt;
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  const int64_t seconds = std::clamp<int64_t>(left.tv_sec, -1, kMaxTimeoutSeconds);
  return std::chrono::steady_clock::now() + std::chrono::seconds(seconds) + std::chrono::nanoseconds(left.tv_nsec);
}

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
  // Texts compress three to ten times, what is made for the purpose a thousand times.
  constexpr int64_t kMaxRatio = 64;
  constexpr int64_t kSmallBytes = 64 * 1024;
  const int64_t worth = kSmallBytes + kMaxRatio * static_cast<int64_t>(bytes->Length());
  grpc::ProtoBufferReader compressed(bytes);
  google::protobuf::io::GzipInputStream inflated(&compressed);
  std::vector<grpc::Slice> slices;
  int64_t total = 0;
  const void* data = nullptr;
  int size = 0;
  while (inflated.Next(&data, &size)) {
    total += size;
    if (total > limits.max_message_bytes) return TooLarge("when decompressed it is", limits);
    if (total > worth) {
      return InvalidField("(message)", absl::StrCat("when decompressed it is more than ", kMaxRatio,
                                                    " times as large; send it without compression"));
    }
    if (absl::Status status = Reserve(size, reservation); !status.ok()) return status;
    slices.emplace_back(data, static_cast<size_t>(size));
  }
  constexpr int kStreamEnd = 1;  // zlib's Z_STREAM_END
  if (inflated.ZlibErrorCode() != kStreamEnd) return InvalidField("(message)", "its compression is broken");
  *bytes = grpc::ByteBuffer(slices.data(), slices.size());
  return absl::OkStatus();
}

absl::Status TooManyItems(int64_t limit) {
  return InvalidField("items", absl::StrCat("there are more than the limit of ", limit, " (--max-items-per-request)"));
}

}  // namespace

void RunWhereItFits(const ServiceCore& core, size_t request_bytes, std::function<void()> task) {
  if (request_bytes <= kInlineRequestBytes) return task();
  core.pool->Post(std::move(task));
}

Credentials CredentialsOf(const grpc::CallbackServerContext& context) {
  Credentials credentials;
  const auto collect = [&context](const char* name, std::vector<std::string>* values) {
    const auto [begin, end] = context.client_metadata().equal_range(name);
    for (auto it = begin; it != end; ++it) values->emplace_back(it->second.data(), it->second.size());
  };
  collect("authorization", &credentials.authorization);
  collect("x-api-key", &credentials.api_key);
  return credentials;
}

CallFacts FactsOf(const grpc::CallbackServerContext& context, std::shared_ptr<CancelToken> cancel) {
  return {.peer = context.peer(),
          .credentials = CredentialsOf(context),
          .deadline = DeadlineOf(context),
          .cancel = std::move(cancel)};
}

absl::Status ParseMessage(const ServiceCore& core, const CallChain& chain, grpc::ByteBuffer* bytes,
                          google::protobuf::Message* message) {
  if (!chain.admitted().ok()) return chain.admitted();
  Reservation* const reservation = chain.context().reservation.get();
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

}  // namespace attendant
