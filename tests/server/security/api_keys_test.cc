#include "server/security/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "server/security/key_file.h"
#include "tests/testing/temp_dir.h"

namespace attendant {
namespace {

using ::testing::HasSubstr;
using Kind = QuotaVerdict::Kind;

constexpr char kKey[] = "first-key-0123456789";
constexpr char kSecond[] = "second-key-0123456789";
constexpr TokenBucket::Time kNow{std::chrono::hours(1)};

std::string Line(const std::string& name, const std::string& key, const std::string& attributes = "") {
  return *KeyFileLine(name, key) + " " + attributes + "\n";
}

class ApiKeysTest : public ::testing::Test {
 protected:
  std::unique_ptr<ApiKeys> Load(const std::string& text) {
    auto keys = ApiKeys::Load(directory_.Write("keys", text));
    EXPECT_TRUE(keys.ok()) << keys.status();
    return *std::move(keys);
  }

  testing::TempDir directory_;
};

TEST_F(ApiKeysTest, FindsKeysAndNothingElse) {
  const auto keys = Load(Line("one", kKey) + Line("two", kSecond, "class=bulk"));
  ASSERT_NE(keys->Find(kKey), nullptr);
  EXPECT_EQ(keys->Find(kKey)->name(), "one");
  EXPECT_EQ(keys->Find(kSecond)->ceiling(), ServiceClass::kBulk);
  EXPECT_EQ(keys->Find(""), nullptr);
  EXPECT_EQ(keys->Find("first-key-012345678"), nullptr);
  EXPECT_EQ(keys->Find(std::string(kKey) + "\n"), nullptr);
  EXPECT_EQ(keys->Find(ToHex(Sha256(kKey))), nullptr) << "the hash is no key";
  EXPECT_EQ(keys->Find(std::string(1 << 20, 'x')), nullptr);
  EXPECT_EQ(keys->size(), 2u);
}

TEST_F(ApiKeysTest, AFileThatWillNotDoIsAnErrorThatNamesIt) {
  for (const std::string text : {"", "# none\n", "one 12\n"}) {
    EXPECT_THAT(std::string(ApiKeys::Load(directory_.Write("keys", text)).status().message()),
                HasSubstr(directory_.Path("keys")));
  }
  EXPECT_THAT(std::string(ApiKeys::Load(directory_.Path("none")).status().message()), HasSubstr("No such file"));
  EXPECT_THAT(std::string(ApiKeys::Load(directory_.Path("")).status().message()), HasSubstr("directory"));
  EXPECT_THAT(std::string(ApiKeys::Load("/dev/zero").status().message()), HasSubstr("it is no file"));
}

TEST_F(ApiKeysTest, AReloadAddsAndTakesBack) {
  const auto keys = Load(Line("one", kKey));
  EXPECT_EQ(*keys->Reload(), false);
  directory_.Write("keys", Line("two", kSecond));
  EXPECT_EQ(*keys->Reload(), true);
  EXPECT_EQ(keys->Find(kKey), nullptr);
  EXPECT_NE(keys->Find(kSecond), nullptr);
}

TEST_F(ApiKeysTest, ABadFileNeverReplacesAGoodOne) {
  const auto keys = Load(Line("one", kKey));
  for (const std::string& text : {std::string("one 12\n"), std::string(), Line("one", kSecond) + Line("one", kKey)}) {
    directory_.Write("keys", text);
    EXPECT_FALSE(keys->Reload().ok());
    EXPECT_NE(keys->Find(kKey), nullptr);
    EXPECT_EQ(keys->Find(kSecond), nullptr);
  }
  std::filesystem::remove(directory_.Path("keys"));
  EXPECT_FALSE(keys->Reload().ok());
  EXPECT_NE(keys->Find(kKey), nullptr);
}

TEST_F(ApiKeysTest, BucketsAndCountsSurviveAReload) {
  const auto keys = Load(Line("one", kKey, "tokens-per-second=100"));
  keys->Find(kKey)->CountRequest();
  ASSERT_EQ(keys->Find(kKey)->Charge(200, 10, kNow).kind, Kind::kTaken);
  // Another key under the same name, and a larger quota.
  directory_.Write("keys", Line("one", kSecond, "tokens-per-second=150"));
  ASSERT_EQ(*keys->Reload(), true);
  const auto caller = keys->Find(kSecond);
  EXPECT_EQ(caller->Charge(1, 10, kNow).kind, Kind::kLater);
  EXPECT_EQ(caller->Charge(15, 10, kNow + std::chrono::milliseconds(100)).kind, Kind::kTaken);
  ASSERT_EQ(keys->Usage().size(), 1u);
  EXPECT_EQ(keys->Usage()[0].requests, 1);
  EXPECT_EQ(keys->Usage()[0].tokens, 215);
  EXPECT_EQ(keys->Usage()[0].refused, 1);
}

TEST_F(ApiKeysTest, AQuotaCanComeAndGo) {
  const auto keys = Load(Line("one", kKey));
  const auto before = keys->Find(kKey);
  EXPECT_EQ(before->Charge(1'000'000, 10, kNow).kind, Kind::kTaken);
  directory_.Write("keys", Line("one", kKey, "tokens-per-second=1"));
  ASSERT_TRUE(keys->Reload().ok());
  EXPECT_EQ(keys->Find(kKey)->Charge(1'000'000, 10, kNow).kind, Kind::kNever);
  EXPECT_EQ(before->Charge(1'000'000, 10, kNow).kind, Kind::kNever) << "calls under way share the account";
  directory_.Write("keys", Line("one", kKey));
  ASSERT_TRUE(keys->Reload().ok());
  EXPECT_EQ(keys->Find(kKey)->Charge(1'000'000, 10, kNow).kind, Kind::kTaken);
}

TEST_F(ApiKeysTest, ReloadsWhileOthersLookUp) {
  const auto keys = Load(Line("one", kKey, "tokens-per-second=1000000"));
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const auto caller = keys->Find(kKey);
      ASSERT_NE(caller, nullptr);
      caller->Charge(1, 10, std::chrono::steady_clock::now());
      ASSERT_GE(keys->Usage().size(), 1u);
    }
  });
  for (int i = 0; i < 50; ++i) {
    directory_.Replace("keys", Line("one", kKey, "tokens-per-second=" + std::to_string(i + 1)) +
                                   (i % 2 == 0 ? Line("two", kSecond) : ""));
    ASSERT_EQ(*keys->Reload(), true);
  }
  done = true;
  reader.join();
}

}  // namespace
}  // namespace attendant
