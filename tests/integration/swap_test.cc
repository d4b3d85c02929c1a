// Models swapped under load: no call fails, and every vector is of the model that its answer names.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>

#include "client/lib/admin.h"
#include "gmock/gmock.h"
#include "tests/integration/in_process.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const char* const kTexts[] = {"one text", "another, which is longer than the first one by some words", "a third"};

// What each model gives for kTexts, by fingerprint: what must come back.
using Expected = std::map<std::string, std::vector<std::vector<float>>>;

void AddExpected(const std::string& directory, Expected* expected) {
  const auto embedder = Embedder::Load({.model_dir = directory});
  ASSERT_TRUE(embedder.ok()) << embedder.status();
  const ModelInfo& info = (*embedder)->info();
  const EmbedSpec spec{.normalize = info.normalize};
  const WorkspacePtr workspace = (*embedder)->NewWorkspace();
  for (const char* text : kTexts) {
    const auto tokenized = (*embedder)->Tokenize(TextInput{text}, {});
    ASSERT_TRUE(std::holds_alternative<TokenizedItem>(tokenized));
    SequenceResult result;
    const SequenceTask task{
        .sequence = &std::get<TokenizedItem>(tokenized).sequence, .embed = &spec, .result = &result};
    (*embedder)->Run({&task, 1}, *workspace, {});
    (*expected)[info.fingerprint].push_back(result.embedding);
  }
}

absl::Status CheckReply(const Expected& expected, const std::string& fingerprint,
                        const std::vector<client::EmbedResult>& results, size_t first_text) {
  const auto vectors = expected.find(fingerprint);
  if (vectors == expected.end()) return absl::InternalError("an unknown fingerprint: " + fingerprint);
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].status.ok()) return results[i].status;
    if (results[i].values != vectors->second[(first_text + i) % std::size(kTexts)]) {
      return absl::InternalError("a vector is not of the model that the answer names");
    }
  }
  return absl::OkStatus();
}

class SwapTest : public InProcessTest {
 protected:
  SwapTest() {
    for (const char* name : {"tiny-mean", "odd-heads-cls", "dense-prompt"}) {
      fs::copy(TestModel(name), files_.Path(name), fs::copy_options::recursive);
    }
    fs::copy(TestModel("tiny-mean"), files_.Path("corrupt"), fs::copy_options::recursive);
    fs::resize_file(files_.Path("corrupt/model.safetensors"), 1000);
    config_.models.specs = {{.name = "m", .directory = files_.Path("tiny-mean")}};
    config_.models.admin_address = "127.0.0.1:0";
    config_.threads = 2;
  }

  // The real loader, unlike InProcessTest's.
  void StartRealServer() {
    auto server = Server::Start(config_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = NewClient();
    auto admin = client::AdminClient::Create({.target = "127.0.0.1:" + std::to_string(server_->admin_port())});
    ASSERT_TRUE(admin.ok());
    admin_ = *std::move(admin);
  }

  // One call after the other, until stopped; the first failure ends it.
  absl::Status CallUntilStopped() {
    const auto client = NewClient();
    while (!stop_) {
      const auto reply = client->Embed({kTexts[0], kTexts[1], kTexts[2]}, {});
      if (!reply.ok()) return reply.status();
      absl::Status status = CheckReply(expected_, reply->model_fingerprint, reply->results, 0);
      if (!status.ok()) return status;
      ++calls_;
    }
    return absl::OkStatus();
  }

  // Streams one after the other, of some hundred items each. The client ends a stream whose fingerprint changes.
  absl::Status StreamUntilStopped() {
    const auto client = NewClient();
    while (!stop_) {
      int sent = 0;
      const auto summary = client->EmbedAll(
          [&]() -> std::optional<absl::StatusOr<client::Item>> {
            if (sent == 300) return std::nullopt;
            return client::Item(kTexts[sent++ % std::size(kTexts)]);
          },
          [&](int64_t, const std::vector<client::EmbedResult>& results) {
            for (const client::EmbedResult& result : results) {
              if (!result.status.ok()) return result.status;
            }
            return absl::OkStatus();
          },
          {});
      if (!summary.ok()) return summary.status();
      ++streams_;
    }
    return absl::OkStatus();
  }

  void WaitForProgress() {
    const int calls = calls_, streams = streams_;
    const auto until = std::chrono::steady_clock::now() + kLongEnough;
    while ((calls_ < calls + 10 || streams_ < streams + 1) && std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    EXPECT_GE(calls_, calls + 10);
    EXPECT_GE(streams_, streams + 1);
  }

  const testing::TempDir files_;
  std::unique_ptr<client::AdminClient> admin_;
  Expected expected_;
  std::atomic<bool> stop_{false};
  std::atomic<int> calls_{0}, streams_{0};
};

TEST_F(SwapTest, TenSwapsUnderLoadFailNoCallAndTheCorruptOneIsRefused) {
  const std::vector<std::string> models = {"tiny-mean", "odd-heads-cls", "dense-prompt"};
  for (const std::string& model : models) ASSERT_NO_FATAL_FAILURE(AddExpected(files_.Path(model), &expected_));
  ASSERT_EQ(expected_.size(), 3u);
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  std::vector<std::future<absl::Status>> callers;
  for (int i = 0; i < 3; ++i) callers.push_back(std::async(std::launch::async, [this] { return CallUntilStopped(); }));
  callers.push_back(std::async(std::launch::async, [this] { return StreamUntilStopped(); }));
  std::string serving = client_->Embed({kTexts[0]}, {})->model_fingerprint;
  for (size_t swap = 0; swap < 10; ++swap) {
    WaitForProgress();
    if (swap == 5) {
      const auto refused = admin_->Swap({.name = "m", .directory = files_.Path("corrupt")});
      EXPECT_THAT(std::string(refused.status().message()), HasSubstr("model.safetensors"));
      EXPECT_THAT(client_->GetModel("m")->state_reason, HasSubstr("model.safetensors"));
    } else {
      const auto change = admin_->Swap({.name = "m", .directory = files_.Path(models[(swap + 1) % 3])});
      ASSERT_TRUE(change.ok()) << change.status();
      EXPECT_EQ(change->old_fingerprint, serving);
      serving = change->loaded.model.fingerprint;
    }
    // Who asks after the swap gets the new model.
    const auto reply = client_->Embed({kTexts[0], kTexts[1]}, {});
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->model_fingerprint, serving);
    EXPECT_TRUE(CheckReply(expected_, serving, reply->results, 0).ok());
  }
  WaitForProgress();
  stop_ = true;
  for (auto& caller : callers) {
    const absl::Status status = caller.get();
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_F(SwapTest, AStreamKeepsTheModelThatItBeganWith) {
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  RawCall stream(port(), "EmbedStream");
  ASSERT_TRUE(stream.Send(EmbedStreamMessage("before", {kTexts[0]})));
  const std::string old = client_->GetModel("")->fingerprint;
  EXPECT_THAT(stream.Read().value_or(""), HasSubstr(old));
  const auto change = admin_->Swap({.name = "m", .directory = files_.Path("odd-heads-cls")});
  ASSERT_TRUE(change.ok()) << change.status();
  ASSERT_TRUE(stream.Send(EmbedStreamMessage("after", {kTexts[0]})));
  EXPECT_THAT(stream.Read().value_or(""), HasSubstr(old));
  EXPECT_EQ(client_->Embed({kTexts[0]}, {})->model_fingerprint, change->loaded.model.fingerprint);
  auto models = client_->ListModels();
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ(models->at(0).state, client::ModelState::kReady);
  EXPECT_EQ(models->at(1).state, client::ModelState::kDraining);
  EXPECT_EQ(models->at(1).fingerprint, old);
  stream.CloseSending();
  EXPECT_EQ(stream.Finish().code, absl::StatusCode::kOk);
  // The old one goes with the stream, which the server has forgotten a moment later.
  for (const auto until = std::chrono::steady_clock::now() + kLongEnough; models->size() > 1;) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    models = client_->ListModels();
    ASSERT_TRUE(models.ok());
  }
}

TEST_F(SwapTest, TheSameDirectoryIsReadAgain) {
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  const std::string before = client_->GetModel("")->fingerprint;
  std::string config = files_.Path("tiny-mean/config_sentence_transformers.json");
  fs::remove(config);
  std::ofstream(config) << R"({"prompts": {"q": "query: "}, "default_prompt_name": "q"})";
  ASSERT_TRUE(admin_->Swap({.name = "m"}).ok());
  const auto after = client_->GetModel("");
  ASSERT_TRUE(after.ok());
  EXPECT_NE(after->fingerprint, before);
  EXPECT_EQ(after->default_prompt_name, "q");
}

}  // namespace
}  // namespace attendant
