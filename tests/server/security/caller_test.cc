#include "server/security/caller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace attendant {
namespace {

using ::testing::HasSubstr;

TEST(Caller, AnybodyMayDoEverythingOnAServerWithoutKeys) {
  const auto anonymous = Caller::Anonymous();
  EXPECT_FALSE(anonymous->has_key());
  for (const Right right : {Right::kEmbed, Right::kMetrics, Right::kAdmin}) EXPECT_TRUE(anonymous->Has(right));
  EXPECT_EQ(anonymous->Charge(1 << 30, 1, {}).kind, QuotaVerdict::Kind::kTaken);
  anonymous->Refund(1 << 30);
  anonymous->CountRequest();
  EXPECT_EQ(*anonymous->ChooseClass(ServiceClass::kBulk, ServiceClass::kInteractive), ServiceClass::kBulk);
}

TEST(Caller, AnInteractiveKeyGetsWhatItAsksFor) {
  const Caller caller({.name = "ui"}, std::make_shared<KeyAccount>());
  EXPECT_EQ(*caller.ChooseClass(std::nullopt, ServiceClass::kInteractive), ServiceClass::kInteractive);
  EXPECT_EQ(*caller.ChooseClass(std::nullopt, ServiceClass::kBulk), ServiceClass::kBulk);
  EXPECT_EQ(*caller.ChooseClass(ServiceClass::kInteractive, ServiceClass::kBulk), ServiceClass::kInteractive);
  EXPECT_EQ(*caller.ChooseClass(ServiceClass::kBulk, ServiceClass::kInteractive), ServiceClass::kBulk);
}

TEST(Caller, ABulkKeyIsAlwaysBulk) {
  const Caller caller({.name = "nightly", .ceiling = ServiceClass::kBulk}, std::make_shared<KeyAccount>());
  EXPECT_EQ(*caller.ChooseClass(std::nullopt, ServiceClass::kInteractive), ServiceClass::kBulk);
  EXPECT_EQ(*caller.ChooseClass(ServiceClass::kBulk, ServiceClass::kInteractive), ServiceClass::kBulk);
  const auto refused = caller.ChooseClass(ServiceClass::kInteractive, ServiceClass::kBulk);
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("\"nightly\""));
}

TEST(Caller, RightsAreThoseOfTheKey) {
  const Caller caller({.name = "prometheus", .rights = static_cast<uint8_t>(Right::kMetrics)}, nullptr);
  EXPECT_TRUE(caller.Has(Right::kMetrics));
  EXPECT_FALSE(caller.Has(Right::kEmbed));
  EXPECT_FALSE(caller.Has(Right::kAdmin));
}

TEST(Caller, WhatWasNotDoneIsGivenBack) {
  const auto account = std::make_shared<KeyAccount>();
  account->bucket.emplace(100);
  const Caller caller({.name = "a", .tokens_per_second = 100}, account);
  const TokenBucket::Time now{std::chrono::hours(1)};
  ASSERT_EQ(caller.Charge(200, 1, now).kind, QuotaVerdict::Kind::kTaken);
  caller.Refund(200);
  EXPECT_EQ(account->tokens, 0);
  EXPECT_EQ(caller.Charge(200, 1, now).kind, QuotaVerdict::Kind::kTaken);
}

}  // namespace
}  // namespace attendant
