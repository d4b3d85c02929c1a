// Several models in one server, changed by the admin service, by SIGHUP, and looked after by checks and watchdog.
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>

#include "client/cli/commands.h"
#include "client/lib/admin.h"
#include "gmock/gmock.h"
#include "server/security/key_file.h"
#include "tests/integration/in_process.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

namespace fs = std::filesystem;
using client::ModelState;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ModelsTest : public InProcessTest {
 protected:
  ModelsTest() {
    config_.models.specs = {{.name = "first", .directory = TestModel("tiny-mean")},
                            {.name = "second", .directory = TestModel("odd-heads-cls"), .precision = "int8"}};
    config_.models.admin_address = "127.0.0.1:0";
  }

  void StartRealServer() {
    auto server = Server::Start(config_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = NewClient();
    auto admin = client::AdminClient::Create({.target = "127.0.0.1:" + std::to_string(server_->admin_port())});
    ASSERT_TRUE(admin.ok());
    admin_ = *std::move(admin);
  }

  std::unique_ptr<client::AdminClient> admin_;
};

TEST_F(ModelsTest, TheNameChoosesAndTheFirstIsTheDefault) {
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  const auto models = client_->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2u);
  EXPECT_EQ(models->at(0).name, "first");
  EXPECT_TRUE(models->at(0).is_default);
  EXPECT_EQ(models->at(0).state, ModelState::kReady);
  EXPECT_GT(models->at(0).loaded_unix_ms, 1'600'000'000'000);
  EXPECT_EQ(models->at(1).precision, "int8");
  const auto by_default = client_->Embed({"a text"}, {});
  const auto first = client_->Embed({"a text"}, {.model = "first"});
  const auto second = client_->Embed({"a text"}, {.model = "second"});
  ASSERT_TRUE(by_default.ok() && first.ok() && second.ok()) << second.status();
  EXPECT_EQ(by_default->model_fingerprint, models->at(0).fingerprint);
  EXPECT_EQ(by_default->results[0].values, first->results[0].values);
  EXPECT_EQ(second->model, "second");
  EXPECT_EQ(second->model_fingerprint, models->at(1).fingerprint);
  EXPECT_TRUE(client_->Tokenize({"a text"}, {.model = "second"}).ok());
  EXPECT_TRUE(client_->GetAttention("a text", {.model = "second"}).ok());
  for (const absl::Status& status :
       {client_->Embed({"a"}, {.model = "third"}).status(), client_->Tokenize({"a"}, {.model = "third"}).status(),
        client_->GetAttention("a", {.model = "third"}).status(), client_->GetModel("third").status()}) {
    EXPECT_TRUE(absl::IsNotFound(status));
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("\"first\", \"second\""), HasSubstr("third")));
  }
}

TEST_F(ModelsTest, LoadedAndUnloadedAtRunTime) {
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  EXPECT_TRUE(absl::IsAlreadyExists(admin_->Load({.directory = TestModel("plain-hf"), .name = "first"}).status()));
  const auto loaded = admin_->Load({.directory = TestModel("plain-hf"), .precision = "bf16", .weight = 2});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->loaded.model.name, "plain-hf");
  EXPECT_EQ(loaded->loaded.model.precision, "bf16");
  EXPECT_GT(loaded->loaded.memory_bytes, 0);
  EXPECT_THAT(loaded->loaded.self_check, HasSubstr("batch-invariant"));
  EXPECT_TRUE(client_->Embed({"a text"}, {.model = "plain-hf"}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(admin_->Unload("first")));
  EXPECT_TRUE(admin_->Unload("plain-hf").ok());
  EXPECT_TRUE(absl::IsNotFound(client_->Embed({"a text"}, {.model = "plain-hf"}).status()));
  const auto bad = admin_->Load({.directory = "/no/such/directory", .name = "bad"});
  EXPECT_TRUE(absl::IsNotFound(bad.status())) << bad.status();
  EXPECT_EQ(client_->GetModel("bad")->state, ModelState::kFailed);
  EXPECT_TRUE(absl::IsFailedPrecondition(client_->Embed({"a text"}, {.model = "bad"}).status()));
  EXPECT_TRUE(admin_->Load({.directory = TestModel("plain-hf"), .name = "new", .make_default = true}).ok());
  EXPECT_EQ(client_->Embed({"a text"}, {})->model, "new");
  const auto all = admin_->List();
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->at(0).directory, TestModel("plain-hf"));
}

TEST_F(ModelsTest, WrongAdminRequestsNameTheField) {
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  const auto message = [](const absl::Status& status) { return std::string(status.message()); };
  EXPECT_THAT(message(admin_->Load({}).status()), HasSubstr("directory"));
  EXPECT_THAT(message(admin_->Swap({}).status()), HasSubstr("name"));
  EXPECT_THAT(message(admin_->Unload("")), HasSubstr("name"));
  EXPECT_THAT(message(admin_->Load({.directory = "/x", .precision = "fp4"}).status()), HasSubstr("precision"));
  EXPECT_THAT(message(admin_->Load({.directory = "/x", .weight = -1}).status()), HasSubstr("weight"));
  EXPECT_THAT(message(admin_->Load({.directory = "/x", .max_queued_tokens = -1}).status()), HasSubstr("max-queued"));
  EXPECT_EQ(
      RawUnary(server_->admin_port(), "/attendant.v1.AdminService/LoadModel", std::string(200'000, 'x')).status.code,
      absl::StatusCode::kResourceExhausted);
}

TEST_F(ModelsTest, AnAdminListenerForOthersNeedsAKey) {
  config_.models.admin_address = "0.0.0.0:0";
  const auto server = Server::Start(config_);
  EXPECT_TRUE(absl::IsInvalidArgument(server.status()));
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--admin-address"));
}

TEST_F(ModelsTest, WithKeysTheAdminListenerWantsOneThatMay) {
  const std::string path = ::testing::TempDir() + "/models_keys_" + std::to_string(getpid());
  const std::string ops = "key-of-operations-0123456789", app = "key-of-an-app-0123456789";
  std::ofstream(path) << *KeyFileLine("ops", ops) << " allow=admin\n" << *KeyFileLine("app", app) << "\n";
  config_.security.api_keys_file = path;
  config_.models.admin_address = "0.0.0.0:0";  // allowed now
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  const auto list_with = [this](const std::string& key) {
    const std::string target = "127.0.0.1:" + std::to_string(server_->admin_port());
    return (*client::AdminClient::Create({.target = target, .api_key = key}))->List().status();
  };
  EXPECT_TRUE(absl::IsUnauthenticated(list_with("")));
  EXPECT_TRUE(absl::IsUnauthenticated(list_with("key-of-nobody-0123456789")));
  EXPECT_TRUE(absl::IsPermissionDenied(list_with(app)));
  EXPECT_TRUE(list_with(ops).ok()) << list_with(ops);
  fs::remove(path);
}

TEST_F(ModelsTest, WhatDoesNotFitIsRefusedBeforeItIsLoaded) {
  ASSERT_NO_FATAL_FAILURE(StartRealServer());
  server_.reset();
  config_.models.memory_limit = 1 << 20;
  const auto server = Server::Start(config_);
  EXPECT_TRUE(absl::IsFailedPrecondition(server.status()));
  EXPECT_THAT(std::string(server.status().message()),
              AllOf(HasSubstr("1048576 (--memory-limit)"), HasSubstr("in use")));
}

TEST_F(ModelsTest, StuckWorkTurnsReadinessOffAndFlowingWorkOnAgain) {
  config_.models.specs.resize(1);
  config_.models.watchdog_timeout = std::chrono::milliseconds(20);
  config_.models.admin_address.clear();
  ASSERT_NO_FATAL_FAILURE(StartServer());  // behind the gate
  const auto wait_for = [this](client::ServingStatus wanted) {
    const auto until = std::chrono::steady_clock::now() + kLongEnough;
    while (std::chrono::steady_clock::now() < until) {
      const auto status = client_->Health("");
      if (status.ok() && *status == wanted) return true;
    }
    return false;
  };
  EXPECT_TRUE(wait_for(client::ServingStatus::kServing));
  gate_->CloseGate();  // the probe comes to it, too
  const auto stuck = StartEmbed({"one"});
  gate_->WaitArrived(1);
  EXPECT_TRUE(wait_for(client::ServingStatus::kNotServing));
  gate_->OpenGate();
  EXPECT_TRUE(wait_for(client::ServingStatus::kServing));
  EXPECT_EQ(CountResults(stuck->Read().value_or("")), 1);
}

class ModelProcessTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) { return files_.Write(name, text); }

  std::vector<client::ModelInfo> Models(const ServerProcess& server) {
    client::ClientOptions options;
    options.target = "127.0.0.1:" + std::to_string(server.grpc_port());
    const auto models = (*client::Client::Create(options))->ListModels();
    EXPECT_TRUE(models.ok()) << models.status();
    return models.value_or(std::vector<client::ModelInfo>());
  }

  int Attendant(const std::vector<std::string>& arguments) {
    std::istringstream in;
    std::ostringstream out, err;
    cli::Context context{in, out, err};
    const int code = cli::RunAttendant(arguments, context);
    output_ = out.str() + err.str();
    return code;
  }

  const testing::TempDir files_;
  std::string output_;
};

TEST_F(ModelProcessTest, SighupReadsTheConfigurationAgain) {
  const std::string config =
      Write("c.toml", "model = [\"a=" + TestModel("tiny-mean") + "\", \"b=" + TestModel("odd-heads-cls") + "\"]\n");
  ServerProcess server({"--config", config, "--threads", "1"});
  ASSERT_TRUE(server.WaitReady());
  EXPECT_EQ(Models(server).size(), 2u);
  Write("c.toml", "model = [\"c=" + TestModel("plain-hf") + "\", \"a=" + TestModel("dense-prompt") + "\"]\n");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitLogged("changes=\"loaded c, swapped a, unloaded b\""));
  const auto models = Models(server);
  ASSERT_EQ(models.size(), 2u);
  EXPECT_EQ(models[0].name, "c");
  EXPECT_TRUE(models[0].is_default);
  EXPECT_EQ(models[1].name, "a");
  Write("c.toml", "modle = 1\n");
  server.Signal(SIGHUP);
  ASSERT_TRUE(server.WaitLogged("modle"));
  EXPECT_EQ(Models(server).size(), 2u);
  server.Signal(SIGTERM);
  EXPECT_EQ(server.WaitExit(), 0);
}

TEST_F(ModelProcessTest, TheCommandLineChangesAndChecksModels) {
  fs::copy(TestModel("tiny-mean"), files_.Path("m"), fs::copy_options::recursive);
  ServerProcess server({"--model", files_.Path("m"), "--threads", "1", "--admin-address", "127.0.0.1:0"});
  ASSERT_TRUE(server.WaitReady());
  const std::string address = "127.0.0.1:" + std::to_string(server.grpc_port());
  const std::string admin = "127.0.0.1:" + std::to_string(server.admin_port());
  EXPECT_EQ(Attendant({"load", "--admin", admin, "--name", "other", TestModel("plain-hf")}), 0) << output_;
  EXPECT_THAT(output_, AllOf(HasSubstr("loaded other"), HasSubstr("self-check")));
  EXPECT_EQ(Attendant({"models", "--server", address}), 0);
  EXPECT_THAT(output_, AllOf(HasSubstr("m (default)"), HasSubstr("READY")));
  EXPECT_EQ(Attendant({"swap", "--admin", admin, "other", TestModel("tiny-mean")}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("before: "));
  EXPECT_EQ(Attendant({"swap", "--admin", admin, "other", "/no/such"}), cli::kExitRefused);
  EXPECT_THAT(output_, HasSubstr("/no/such"));
  EXPECT_EQ(Attendant({"unload", "--admin", admin, "other"}), 0) << output_;
  EXPECT_EQ(Attendant({"reload", "--admin", admin}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("nothing has changed"));

  const std::string golden = files_.Path("m/attendant_golden.json");
  const std::string texts = Write("texts.txt", "a text\nanother text\n");
  EXPECT_EQ(Attendant({"golden", "--server", address, "--texts", texts, "--output", golden}), 0) << output_;
  EXPECT_EQ(Attendant({"swap", "--admin", admin, "m"}), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("golden vectors: 2 texts, worst cosine 1.000000"));
  for (const char* precision : {"fp32", "int8"}) {
    ServerProcess check({"--self-check", "--model", files_.Path("m"), "--precision", precision});
    EXPECT_EQ(check.WaitExit(), 0);
    EXPECT_THAT(check.Log(), AllOf(HasSubstr("golden vectors"), HasSubstr("1 of 1 models are well")));
  }
  // Vectors of other weights. A new file, not new contents: the server has mapped the old one.
  fs::remove(files_.Path("m/model.safetensors"));
  fs::copy_file(TestModel("dense-prompt") + "/model.safetensors", files_.Path("m/model.safetensors"));
  ServerProcess check({"--self-check", "--model", files_.Path("m")});
  EXPECT_EQ(check.WaitExit(), 1);
  EXPECT_THAT(check.Log(), HasSubstr("FAILED"));
  ServerProcess start({"--model", files_.Path("m")});
  EXPECT_FALSE(start.WaitReady());
  EXPECT_EQ(start.WaitExit(), 1);
}

}  // namespace
}  // namespace attendant
