#include "client/lib/bulk_window.h"

#include <gtest/gtest.h>

namespace attendant::client {
namespace {

std::vector<absl::StatusOr<Item>> Texts(int count) { return {static_cast<size_t>(count), Item(std::string("x"))}; }

std::vector<EmbedResult> Results(int count, float value) {
  std::vector<EmbedResult> results(static_cast<size_t>(count));
  for (EmbedResult& result : results) result.values = {value};
  return results;
}

TEST(BulkWindowTest, DeliversInInputOrderWhateverTheAnswersOrder) {
  BulkWindow window(3);
  for (int i = 0; i < 3; ++i) window.Add(Texts(2));
  EXPECT_FALSE(window.HasRoom());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(window.TakeToSend()->id, i);
  EXPECT_EQ(window.TakeToSend(), nullptr);
  window.Finish(window.FindSent(2), Results(2, 2));
  window.Finish(window.FindSent(1), Results(2, 1));
  EXPECT_FALSE(window.TakeFinished().has_value());
  EXPECT_FALSE(window.HasRoom());  // answered but not delivered still takes memory
  window.Finish(window.FindSent(0), Results(2, 0));
  for (int i = 0; i < 3; ++i) {
    const auto batch = window.TakeFinished();
    ASSERT_TRUE(batch.has_value());
    EXPECT_EQ(batch->first_index, 2 * i);
    EXPECT_EQ(batch->results[1].values[0], i);
  }
  EXPECT_TRUE(window.empty());
}

TEST(BulkWindowTest, KnowsOnlyWhatIsInFlight) {
  BulkWindow window(4);
  window.Add(Texts(1));
  EXPECT_EQ(window.FindSent(0), nullptr);  // not sent yet
  window.TakeToSend();
  EXPECT_EQ(window.FindSent(1), nullptr);
  EXPECT_EQ(window.FindSent(-1), nullptr);
  window.Finish(window.FindSent(0), Results(1, 0));
  EXPECT_EQ(window.FindSent(0), nullptr);  // answered twice
  EXPECT_EQ(window.sent(), 0);
}

TEST(BulkWindowTest, ResendsWhatWasUnansweredOldestFirst) {
  BulkWindow window(4);
  for (int i = 0; i < 3; ++i) window.Add(Texts(1));
  window.TakeToSend();
  window.TakeToSend();
  window.Finish(window.FindSent(0), Results(1, 0));
  window.ReturnAllSentToWaiting();
  EXPECT_EQ(window.sent(), 0);
  BulkWindow::Batch* again = window.TakeToSend();
  EXPECT_EQ(again->id, 1);
  EXPECT_EQ(again->attempts, 2);
  EXPECT_EQ(window.TakeToSend()->attempts, 1);
}

TEST(BulkWindowTest, BadItemsKeepTheirPlaceAndAreNumberedByTheInput) {
  BulkWindow window(4);
  window.Add(Texts(10));
  std::vector<absl::StatusOr<Item>> items = Texts(3);
  items[1] = absl::InvalidArgumentError("bad line");
  window.Add(std::move(items));
  window.TakeToSend();
  BulkWindow::Batch* batch = window.TakeToSend();
  EXPECT_EQ(BulkWindow::CountGood(*batch), 2);
  std::vector<EmbedResult> results = Results(2, 5);
  results[1].status = absl::InvalidArgumentError("items[1].text is blank");
  results[1].field = "items[1].text";
  window.Finish(batch, std::move(results));
  window.FinishWithError(window.FindSent(0), absl::InvalidArgumentError("no"));
  EXPECT_EQ(window.TakeFinished()->results.size(), 10u);
  const auto finished = window.TakeFinished();
  ASSERT_EQ(finished->results.size(), 3u);
  EXPECT_EQ(finished->results[0].values[0], 5);
  EXPECT_EQ(finished->results[1].status.message(), "bad line");
  EXPECT_EQ(finished->results[2].field, "items[12].text");
}

TEST(BulkWindowTest, ABatchOfNothingButBadItemsIsFinishedAtOnce) {
  BulkWindow window(4);
  window.Add({absl::InvalidArgumentError("1"), absl::InvalidArgumentError("2")});
  EXPECT_FALSE(window.HasWaiting());
  EXPECT_EQ(window.TakeFinished()->results.size(), 2u);
}

}  // namespace
}  // namespace attendant::client
