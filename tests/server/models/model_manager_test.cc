#include "server/models/model_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/observability/logging.h"
#include "tests/server/models/fake_loader.h"

namespace attendant {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ModelSpec Spec(const std::string& name, const std::string& directory) { return {.name = name, .directory = directory}; }

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class ModelManagerTest : public ::testing::Test {
 protected:
  ModelManagerTest() { ConfigureLogging(LogFormat::kText, LogLevel::kOff); }
  ~ModelManagerTest() override { ConfigureLogging(LogFormat::kText, LogLevel::kInfo); }

  std::string Fingerprint(const std::string& name) {
    const ModelRef model = registry_.Find(name);
    return model == nullptr ? "(none)" : model->info().fingerprint;
  }

  ModelStatus StatusOf(const std::string& name) {
    for (const ModelStatus& status : registry_.List()) {
      if (status.name == name) return status;
    }
    return {};
  }

  int64_t used_ = 500;
  testing::FakeLoader loader_;
  ModelRegistry registry_;
  ModelManager manager_{
      &loader_, &registry_, {.memory = {1'000'000, "--memory-limit"}, .used_bytes = [this] { return used_; }}};
};

TEST_F(ModelManagerTest, StartsWithAllOrNone) {
  EXPECT_TRUE(manager_.LoadAll({Spec("b", "/1"), Spec("a", "/2")}, 1).ok());
  EXPECT_EQ(registry_.default_name(), "b");
  EXPECT_EQ(Fingerprint("a"), "print of /2");
  EXPECT_EQ(registry_.Find("a")->memory_bytes, testing::FakeLoader::kBytes);
  EXPECT_THAT(registry_.Find("a")->self_check, HasSubstr("finite"));
  EXPECT_THAT(Message(manager_.LoadAll({Spec("c", "/bad")}, 1)), HasSubstr("not JSON"));
}

TEST_F(ModelManagerTest, LoadIsForNewNames) {
  ASSERT_TRUE(manager_.Load(Spec("a", "/1")).ok());
  const auto again = manager_.Load(Spec("a", "/2"));
  EXPECT_TRUE(absl::IsAlreadyExists(again.status()));
  EXPECT_EQ(Fingerprint("a"), "print of /1");
  EXPECT_TRUE(absl::IsInvalidArgument(manager_.Load(Spec("", "/1")).status()));
  ModelSpec precision = Spec("p", "/1");
  precision.precision = "fp4";
  EXPECT_TRUE(absl::IsInvalidArgument(manager_.Load(precision).status()));
}

TEST_F(ModelManagerTest, SwapReplacesWhatItIsToldAndKeepsTheRest) {
  ModelSpec spec = Spec("a", "/1");
  spec.precision = "int8";
  spec.quota.weight = 3;
  ASSERT_TRUE(manager_.Load(spec).ok());
  ASSERT_TRUE(manager_.Swap({.name = "a", .directory = "/2", .precision = ""}).ok());
  EXPECT_EQ(Fingerprint("a"), "print of /2int8");
  EXPECT_EQ(registry_.Find("a")->spec.quota.weight, 3);
  EXPECT_EQ(registry_.Find("a")->replaced_fingerprint, "print of /1int8");
  ASSERT_TRUE(manager_.Swap({.name = "a", .directory = "", .precision = "fp32"}).ok());
  EXPECT_EQ(Fingerprint("a"), "print of /2fp32");
  EXPECT_TRUE(absl::IsNotFound(manager_.Swap({.name = "b", .directory = "/1", .precision = ""}).status()));
}

TEST_F(ModelManagerTest, ABadModelNeverReplacesAGoodOne) {
  ASSERT_TRUE(manager_.Load(Spec("a", "/1")).ok());
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"/bad", "not JSON"}, {"/nan", "not finite"}, {"/throws", "out of memory"}, {"/huge", "--memory-limit"}};
  for (const auto& [directory, reason] : bad) {
    const auto swapped = manager_.Swap({.name = "a", .directory = directory, .precision = ""});
    EXPECT_THAT(Message(swapped.status()), HasSubstr(reason)) << directory;
    EXPECT_EQ(Fingerprint("a"), "print of /1");
    EXPECT_EQ(StatusOf("a").state, ModelState::kReady);
    EXPECT_THAT(StatusOf("a").reason, HasSubstr(reason));
  }
  EXPECT_FALSE(manager_.Load(Spec("b", "/bad")).ok());
  EXPECT_EQ(StatusOf("b").state, ModelState::kFailed);
  EXPECT_TRUE(manager_.Load(Spec("b", "/2")).ok());
  EXPECT_EQ(StatusOf("b").state, ModelState::kReady);
}

TEST_F(ModelManagerTest, MemoryIsAskedForBeforeAnythingIsRead) {
  used_ = 999'001;
  const absl::Status status = manager_.Load(Spec("a", "/1")).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), AllOf(HasSubstr("about 1000 bytes"), HasSubstr("999001 are in use"),
                                     HasSubstr("limit is 1000000 (--memory-limit)")));
  EXPECT_EQ(loader_.loads(), 0);
  used_ = 999'000;
  EXPECT_TRUE(manager_.Load(Spec("a", "/1")).ok());
}

TEST_F(ModelManagerTest, ASecondChangeMeanwhileIsRefusedAndCallsGoOn) {
  ASSERT_TRUE(manager_.Load(Spec("a", "/1")).ok());
  loader_.Close();
  std::thread loading([this] { EXPECT_TRUE(manager_.Load(Spec("b", "/2")).ok()); });
  loader_.AwaitLoads(2);
  EXPECT_EQ(StatusOf("b").state, ModelState::kLoading);
  for (const absl::Status& status : {manager_.Load(Spec("c", "/3")).status(), manager_.Unload("a"),
                                     manager_.Swap({.name = "a", .directory = "/3", .precision = ""}).status()}) {
    EXPECT_TRUE(absl::IsAborted(status));
    EXPECT_THAT(Message(status), AllOf(HasSubstr("loading \"b\""), HasSubstr("one at a time")));
  }
  EXPECT_EQ(Fingerprint("a"), "print of /1");
  loader_.Open();
  loading.join();
  EXPECT_EQ(StatusOf("b").state, ModelState::kReady);
}

TEST_F(ModelManagerTest, UnloadIsNotForTheDefault) {
  ASSERT_TRUE(manager_.LoadAll({Spec("a", "/1"), Spec("b", "/2")}, 1).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(manager_.Unload("a")));
  EXPECT_TRUE(manager_.Unload("b").ok());
  EXPECT_EQ(Fingerprint("b"), "(none)");
  EXPECT_TRUE(absl::IsNotFound(manager_.Unload("b")));
}

TEST_F(ModelManagerTest, FailedNamesAreBounded) {
  for (int i = 0; i < 64; ++i) EXPECT_FALSE(manager_.Load(Spec("n" + std::to_string(i), "/bad")).ok());
  EXPECT_TRUE(absl::IsResourceExhausted(manager_.Load(Spec("more", "/1")).status()));
  EXPECT_TRUE(manager_.Unload("n0").ok());
  EXPECT_TRUE(manager_.Load(Spec("more", "/1")).ok());
}

TEST_F(ModelManagerTest, ApplyDoesWhatDiffersAndNothingElse) {
  std::vector<std::string> changes;
  ASSERT_TRUE(manager_.Apply({Spec("a", "/1"), Spec("b", "/2")}, &changes).ok());
  EXPECT_THAT(changes, ElementsAre("loaded a", "loaded b"));
  changes.clear();
  ASSERT_TRUE(manager_.Apply({Spec("a", "/1"), Spec("b", "/2")}, &changes).ok());
  EXPECT_THAT(changes, IsEmpty());
  ASSERT_TRUE(manager_.Apply({Spec("c", "/3"), Spec("a", "/4")}, &changes).ok());
  EXPECT_THAT(changes, ElementsAre("loaded c", "swapped a", "unloaded b"));
  EXPECT_EQ(registry_.default_name(), "c");
  EXPECT_EQ(Fingerprint("a"), "print of /4");
}

TEST_F(ModelManagerTest, ApplyGoesOnAfterAFailureAndNamesIt) {
  std::vector<std::string> changes;
  ASSERT_TRUE(manager_.Apply({Spec("a", "/1")}, &changes).ok());
  changes.clear();
  const absl::Status status = manager_.Apply({Spec("a", "/bad"), Spec("b", "/2")}, &changes);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("a: "), HasSubstr("not JSON")));
  EXPECT_THAT(changes, ElementsAre("loaded b"));
  EXPECT_EQ(Fingerprint("a"), "print of /1");
  // The default's successor cannot be loaded: the default stays, though it is no longer listed.
  changes.clear();
  EXPECT_FALSE(manager_.Apply({Spec("c", "/bad")}, &changes).ok());
  EXPECT_THAT(changes, IsEmpty());
  EXPECT_EQ(registry_.default_name(), "a");
  EXPECT_EQ(Fingerprint(""), "print of /1");
}

}  // namespace
}  // namespace attendant
