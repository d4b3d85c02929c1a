// Any bytes as a call of any RPC of any door, from the wire to the answer: a real server in this process, on a tiny
// real model.
//
// Byte 0 chooses the RPC (answer_checks.h); byte 1 how the rest is cut into messages (streams), and whether the call is
// cancelled after it was sent. Whatever the bytes: the server answers, with a code that the contract knows for a
// caller's mistake, in words, with answers that hold together; and the same call gets the same bytes again.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/observability/logging.h"
#include "server/rpc/utf8.h"
#include "server/server.h"
#include "tests/fuzz/answer_checks.h"

namespace {

using namespace attendant;
using namespace attendant::fuzz;

// As a first byte: one of RefusedRpcs, which the second byte chooses.
constexpr uint8_t kRefused = 0xFF;

// Never destroyed: libFuzzer ends the process by itself.
Server* StartServer() {
  ConfigureLogging(LogFormat::kText, LogLevel::kOff);
  // Where LoadModel finds directories by short names.
  std::filesystem::current_path(std::string(ATTENDANT_TESTDATA) + "/models");
  ServerConfig config;
  config.grpc_address = "127.0.0.1:0";
  config.metrics_address.clear();
  config.threads = 1;
  config.models.specs = {{.name = "tiny-mean", .directory = "tiny-mean"}};
  config.models.admin_address = "127.0.0.1:0";
  config.limits.max_items_per_request = 16;
  config.limits.max_attention_bytes = 1 << 20;
  config.limits.max_message_bytes = 1 << 20;
  config.limits.max_text_bytes = 1 << 16;
  auto server = Server::Start(config);
  Require(server.ok(), "the server starts", server.ok() ? "" : std::string(server.status().message()));
  return server->release();
}

struct Answer {
  grpc::Status status;
  Messages messages;
};

// One blocking call with any number of messages both ways.
class Caller {
 public:
  explicit Caller(int port)
      : stub_(grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials())) {}

  Answer Call(const Rpc& rpc, const Messages& messages, bool cancel) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    auto call = stub_.PrepareCall(&context, rpc.path(), &queue_);
    call->StartCall(this);
    bool ok = Wait();
    for (const std::string& message : messages) {
      const grpc::Slice slice(message);
      call->Write(grpc::ByteBuffer(&slice, 1), this);
      ok = Wait() && ok;
    }
    call->WritesDone(this);
    Wait();
    if (cancel) context.TryCancel();
    Answer answer;
    for (grpc::ByteBuffer buffer;;) {
      call->Read(&buffer, this);
      if (!Wait()) break;
      answer.messages.push_back(ToString(buffer));
    }
    call->Finish(&answer.status, this);
    Wait();
    return answer;
  }

 private:
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    queue_.Next(&tag, &ok);
    return ok;
  }

  static std::string ToString(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (!buffer.Dump(&slices).ok()) return bytes;
    for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    return bytes;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
};

Messages Cut(const std::string& bytes, size_t count) {
  Messages pieces;
  for (size_t i = 0; i < count; ++i) {
    const size_t begin = bytes.size() * i / count;
    pieces.push_back(bytes.substr(begin, bytes.size() * (i + 1) / count - begin));
  }
  return pieces;
}

void CheckWords(const grpc::Status& status) {
  Require(!status.error_message().empty(), "a failure is put into words");
  Require(!FirstInvalidUtf8(status.error_message()).has_value(), "a failure's words are UTF-8");
}

void CallRefused(Caller* caller, const Rpc& rpc, const std::string& bytes) {
  const Answer answer = caller->Call(rpc, {bytes}, false);
  Require(answer.status.error_code() == grpc::StatusCode::UNIMPLEMENTED, "what is not offered is UNIMPLEMENTED",
          rpc.path() + " " + answer.status.error_message());
  CheckWords(answer.status);
}

void CallOffered(Caller* caller, const Rpc& rpc, const Messages& messages, bool cancel) {
  const Answer answer = caller->Call(rpc, messages, cancel);
  const int code = answer.status.error_code();
  if (answer.status.ok()) {
    rpc.check(messages, answer.messages);
    if (!IsRepeatable(rpc, messages)) return;
    const Answer again = caller->Call(rpc, messages, false);
    Require(again.status.ok() && Comparable(rpc, again.messages) == Comparable(rpc, answer.messages),
            "the same call gets the same bytes", rpc.path());
    return;
  }
  if (cancel && code == grpc::StatusCode::CANCELLED) return;
  Require(IsCallersMistake(rpc, code), "a call fails for a caller's mistake only",
          rpc.path() + " " + std::to_string(code) + " " + answer.status.error_message());
  // gRPC itself parses for the health service, and says nothing when it cannot.
  if (rpc.service.rfind("grpc.", 0) != 0) CheckWords(answer.status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Server* const server = StartServer();
  static auto* const caller = new Caller(server->grpc_port());
  static auto* const admin = new Caller(server->admin_port());
  if (size < 2) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (data[0] == kRefused) {
    CallRefused(caller, RefusedRpcs()[data[1] % RefusedRpcs().size()], bytes);
    return 0;
  }
  const Rpc& rpc = OfferedRpcs()[data[0] % OfferedRpcs().size()];
  const bool by_admin = rpc.listener == Listener::kAdmin;
  CallOffered(by_admin ? admin : caller, rpc, Cut(bytes, rpc.stream ? 1 + data[1] % 4 : 1), data[1] >= 0xF0);
  if (by_admin) {
    // The next input finds what the first one found.
    const auto reloaded = server->Reload();
    Require(reloaded.ok(), "the configured models come back",
            reloaded.ok() ? "" : std::string(reloaded.status().message()));
  }
  return 0;
}
