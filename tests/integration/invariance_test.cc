// The same input gives the same bytes: alone or in any batch, with any number of threads, through Embed or EmbedStream,
// as text or as ids. On the default model where ATTENDANT_TEST_MODEL_DIR names it, and always on a small one.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>

#include "gmock/gmock.h"
#include "tests/integration/in_process.h"

namespace attendant {
namespace {

using client::EmbedResult;
using client::Item;
using Vectors = std::vector<std::vector<float>>;

std::vector<Item> MakeTexts(size_t count) {
  static const char* const kWords[] = {"the",  "cat",   "runs", "water", "old",    "house", "river", "small", "zzz",
                                       "über", "12345", "mat",  "dog",   "what's", "a",     "漢字",  "bank!", "fast"};
  std::mt19937 random(7);
  std::vector<Item> texts;
  for (size_t i = 0; i < count; ++i) {
    // Mostly short, some long: lengths as in real texts, up to truncation.
    const size_t words = 1 + (random() % 12 == 0 ? random() % 120 : random() % 12);
    std::string text;
    for (size_t w = 0; w < words; ++w) text += std::string(kWords[random() % std::size(kWords)]) + " ";
    texts.push_back(text);
  }
  return texts;
}

std::unique_ptr<Server> StartServer(const std::string& model, int threads) {
  ServerConfig config;
  config.models.specs = {{.name = "model", .directory = model}};
  config.grpc_address = "127.0.0.1:0";
  config.metrics_address.clear();
  config.threads = threads;
  ConfigureLogging(LogFormat::kText, LogLevel::kError);
  auto server = Server::Start(config);
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

class Runs {
 public:
  explicit Runs(const Server& server) {
    client::ClientOptions options;
    options.target = "127.0.0.1:" + std::to_string(server.grpc_port());
    auto made = client::Client::Create(options);
    EXPECT_TRUE(made.ok()) << made.status();
    client_ = *std::move(made);
  }

  Vectors Alone(const std::vector<Item>& items) {
    Vectors vectors;
    for (const Item& item : items) Append(client_->Embed({item}, {}), &vectors);
    return vectors;
  }

  // All in random order, in calls of random sizes.
  Vectors Shuffled(const std::vector<Item>& items, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<size_t> order(items.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    Vectors vectors(items.size());
    for (size_t begin = 0; begin < order.size();) {
      const size_t end = std::min(order.size(), begin + 1 + random() % 64);
      std::vector<Item> batch;
      for (size_t i = begin; i < end; ++i) batch.push_back(items[order[i]]);
      Vectors some;
      Append(client_->Embed(batch, {}), &some);
      for (size_t i = begin; i < end && i - begin < some.size(); ++i) vectors[order[i]] = some[i - begin];
      begin = end;
    }
    return vectors;
  }

  Vectors Streamed(const std::vector<Item>& items) {
    size_t next = 0;
    Vectors vectors;
    const auto summary = client_->EmbedAll(
        [&]() -> std::optional<absl::StatusOr<Item>> {
          if (next == items.size()) return std::nullopt;
          return items[next++];
        },
        [&](int64_t, std::vector<EmbedResult> results) {
          for (EmbedResult& result : results) vectors.push_back(std::move(result.values));
          return absl::OkStatus();
        },
        {.max_batch_items = 7});
    EXPECT_TRUE(summary.ok()) << summary.status();
    return vectors;
  }

  std::vector<Item> AsIds(const std::vector<Item>& items) {
    const auto reply = client_->Tokenize(items, {});
    EXPECT_TRUE(reply.ok()) << reply.status();
    std::vector<Item> ids;
    for (const client::TokenizeResult& result : reply->results) {
      client::TokenIds sequence;
      for (const client::Token& token : result.tokens) sequence.input_ids.push_back(token.id);
      ids.push_back(std::move(sequence));
    }
    return ids;
  }

 private:
  static void Append(const absl::StatusOr<client::EmbedReply>& reply, Vectors* vectors) {
    ASSERT_TRUE(reply.ok()) << reply.status();
    for (const EmbedResult& result : reply->results) {
      ASSERT_TRUE(result.status.ok()) << result.status;
      vectors->push_back(result.values);
    }
  }

  std::unique_ptr<client::Client> client_;
};

// float == float would call 0.0 and -0.0 equal.
size_t CountDifferent(const Vectors& a, const Vectors& b) {
  EXPECT_EQ(a.size(), b.size());
  size_t different = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const bool same = a[i].size() == b[i].size() && !a[i].empty() &&
                      std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) == 0;
    different += same ? 0 : 1;
  }
  return different;
}

void ExpectInvariant(const std::string& model, size_t count) {
  const std::vector<Item> texts = MakeTexts(count);
  Vectors reference;
  for (const int threads : {1, 2, 5}) {
    SCOPED_TRACE(testing::Message() << threads << " threads");
    const auto server = StartServer(model, threads);
    Runs runs(*server);
    if (reference.empty()) reference = runs.Alone(texts);
    EXPECT_EQ(CountDifferent(reference, runs.Shuffled(texts, static_cast<uint32_t>(threads))), 0u);
    EXPECT_EQ(CountDifferent(reference, runs.Streamed(texts)), 0u);
    const std::vector<Item> ids = runs.AsIds(texts);
    EXPECT_EQ(CountDifferent(reference, runs.Shuffled(ids, 17)), 0u);
    EXPECT_EQ(CountDifferent(reference, runs.Streamed(ids)), 0u);
  }
  // Different texts give different vectors, or all of this would be easy.
  std::sort(reference.begin(), reference.end());
  EXPECT_GT(std::unique(reference.begin(), reference.end()) - reference.begin(), static_cast<int64_t>(count * 9 / 10));
}

TEST(Invariance, TinyModel) { ExpectInvariant(TestModel("tiny-mean"), 300); }

TEST(Invariance, OddHeads) { ExpectInvariant(TestModel("odd-heads-cls"), 300); }

TEST(Invariance, DefaultModel) {
  const char* model = std::getenv("ATTENDANT_TEST_MODEL_DIR");
  ASSERT_NE(model, nullptr) << "set ATTENDANT_TEST_MODEL_DIR to what scripts/get-model prints, or run scripts/test";
  ExpectInvariant(model, 300);
}

}  // namespace
}  // namespace attendant
