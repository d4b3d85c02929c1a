#include "server/models/model_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/server/models/fake_loader.h"

namespace attendant {
namespace {

using ::testing::ElementsAre;

ModelRef Model(const std::string& name, const std::string& fingerprint) {
  return testing::NewLetterModel({.name = name, .directory = "/" + name}, fingerprint);
}

std::vector<std::string> Describe(const ModelRegistry& registry) {
  std::vector<std::string> lines;
  for (const ModelStatus& status : registry.List()) {
    lines.push_back(status.name + " " + std::string(ModelStateName(status.state)) +
                    (status.is_default ? " default" : "") + (status.reason.empty() ? "" : ": " + status.reason));
  }
  return lines;
}

TEST(ModelRegistry, TheFirstIsTheDefault) {
  ModelRegistry registry;
  EXPECT_EQ(registry.Find(""), nullptr);
  registry.Publish(Model("b", "1"));
  registry.Publish(Model("a", "2"));
  EXPECT_EQ(registry.Find("")->info().name, "b");
  EXPECT_EQ(registry.Find("a")->info().fingerprint, "2");
  EXPECT_EQ(registry.Find("c"), nullptr);
  EXPECT_THAT(Describe(registry), ElementsAre("b READY default", "a READY"));
  EXPECT_TRUE(registry.SetDefault("a"));
  EXPECT_FALSE(registry.SetDefault("c"));
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default", "b READY"));
}

TEST(ModelRegistry, WhoHasTheOldModelKeepsItAndNobodyElse) {
  ModelRegistry registry;
  registry.Publish(Model("a", "old"));
  ModelRef held = registry.Find("a");
  const std::weak_ptr<const LoadedModel> watched = held;
  registry.Publish(Model("a", "new"));
  EXPECT_EQ(registry.Find("a")->info().fingerprint, "new");
  EXPECT_EQ(held->info().fingerprint, "old");
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default", "a DRAINING"));
  held.reset();
  EXPECT_TRUE(watched.expired());
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default"));
}

TEST(ModelRegistry, ACallsRuntimeHoldsTheWholeModel) {
  ModelRegistry registry;
  registry.Publish(Model("a", "1"));
  const std::weak_ptr<const LoadedModel> watched = registry.Find("a");
  std::shared_ptr<ModelRuntime> runtime = RuntimeOf(registry.Find("a"));
  EXPECT_TRUE(registry.Remove("a"));
  EXPECT_FALSE(registry.Remove("a"));
  EXPECT_FALSE(watched.expired());
  runtime.reset();
  EXPECT_TRUE(watched.expired());
}

TEST(ModelRegistry, AFailedLoadIsSeenAndReplacesNothing) {
  ModelRegistry registry;
  registry.Publish(Model("a", "1"));
  registry.BeginLoad({.name = "b", .directory = "/b"});
  registry.BeginLoad({.name = "a", .directory = "/other"});
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default", "b LOADING"));
  registry.FailLoad("b", "no such file");
  registry.FailLoad("a", "not JSON");
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default: not JSON", "b FAILED: no such file"));
  EXPECT_EQ(registry.Find("a")->info().fingerprint, "1");
  EXPECT_EQ(registry.Find("b"), nullptr);
  registry.Publish(Model("b", "2"));
  registry.Publish(Model("a", "3"));
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default", "b READY"));
}

TEST(ModelRegistry, FindsOneOrTheOtherDuringCutOvers) {
  ModelRegistry registry;
  registry.Publish(Model("a", "0"));
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      int last = 0;
      while (!stop) {
        const ModelRef model = registry.Find("a");
        ASSERT_NE(model, nullptr);
        const int version = std::stoi(model->info().fingerprint);
        ASSERT_GE(version, last);  // never back to an old one
        last = version;
      }
    });
  }
  for (int version = 1; version <= 200; ++version) registry.Publish(Model("a", std::to_string(version)));
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_THAT(Describe(registry), ElementsAre("a READY default"));
}

}  // namespace
}  // namespace attendant
