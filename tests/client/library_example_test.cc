#include "tests/client/library_example.h"

#include <gtest/gtest.h>

#include "tests/client/fake_server.h"

namespace {

using attendant::client::Client;
using attendant::client::FakeServer;

TEST(LibraryExampleTest, Works) {
  const FakeServer server;
  const auto connection = Client::Create({.target = server.address()});
  ASSERT_TRUE(connection.ok());
  ::testing::internal::CaptureStdout();
  EXPECT_TRUE(CompareTwoTexts(**connection));
  const auto summary = EmbedManyTexts(**connection, 200);
  const std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(out.substr(0, 7), "cosine ");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->items, 200);
  EXPECT_EQ(summary->failed_items, 0);
}

}  // namespace
