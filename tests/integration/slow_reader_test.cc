// Clients that ask for much and read little: the server stops for them, and only for them.
#include <chrono>
#include <set>
#include <thread>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using std::chrono::milliseconds;

TEST(SlowReader, AStreamThatIsNotReadIsNotReadFrom) {
  ServerProcess server({"--threads", "1", "--max-in-flight-per-stream", "4", "--log-level", "error"});
  ASSERT_TRUE(server.WaitReady());
  RawCall stream(server.grpc_port(), "EmbedStream");
  // Some 30 KiB of answer each: the transport's own buffers are full after some dozens of them, or hundreds at most.
  const std::vector<std::string> texts(200, "a");
  int sent = 0;
  while (sent < 1000 && stream.Send(EmbedStreamMessage(std::to_string(sent), texts), milliseconds(1000))) ++sent;
  // The transport takes requests ahead, some MiB of them; what counts is how many the server has worked on.
  const std::string answered = R"(attendant_requests_total{code="OK",method="EmbedStream"})";
  double before = -1;
  while (before != MetricValue(server.metrics_port(), answered)) {
    before = MetricValue(server.metrics_port(), answered);
    std::this_thread::sleep_for(milliseconds(500));
  }
  EXPECT_GT(before, 0);
  EXPECT_LT(before, sent / 2) << "the server went on answering";
  EXPECT_LT(server.ResidentBytes(), 200 << 20);
  // Others are served meanwhile.
  EXPECT_EQ(RawUnary(server.grpc_port(), "Embed", EmbedMessage({"a"})).status.code, absl::StatusCode::kOk);
  // And what was accepted is answered as soon as it is read: each id once.
  std::set<std::string> ids;
  for (int i = 0; i < sent; ++i) {
    const auto answer = stream.Read();
    ASSERT_TRUE(answer.has_value()) << "answer " << i << " of " << sent;
    EXPECT_TRUE(ids.insert(StreamResponseId(*answer)).second);
  }
}

TEST(SlowReader, AttentionThatIsNotReadDoesNotPileUp) {
  ServerProcess server({"--threads", "1", "--max-pending-bytes", "67108864", "--log-level", "error"});
  ASSERT_TRUE(server.WaitReady());
  const int64_t before = server.ResidentBytes();
  std::string text;
  for (int i = 0; i < 80; ++i) text += "water ";
  std::vector<std::unique_ptr<RawCall>> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(std::make_unique<RawCall>(server.grpc_port(), "GetAttention"));
    EXPECT_TRUE(calls.back()->Send(AttentionMessage(text)));
    calls.back()->CloseSending();
  }
  EXPECT_EQ(RawUnary(server.grpc_port(), "Embed", EmbedMessage({"a"})).status.code, absl::StatusCode::kOk);
  EXPECT_LT(server.ResidentBytes() - before, 128 << 20);
  // The late reader still gets everything.
  int chunks = 0;
  while (calls[0]->Read().has_value()) ++chunks;
  EXPECT_GT(chunks, 0);
  EXPECT_EQ(calls[0]->Finish().code, absl::StatusCode::kOk);
}

}  // namespace
}  // namespace attendant
