// What a caller sees of shared and cached work, over a real connection.
#include <gmock/gmock.h>

#include <thread>

#include "tests/server/rpc/service_fixture.h"

namespace attendant::testing {
namespace {

using ::testing::ElementsAre;

class SharingServiceTest : public ServiceTest {
 protected:
  static v1::EmbedRequest WithMetadata(const std::vector<std::string>& texts) {
    v1::EmbedRequest request = Texts(texts);
    request.set_include_metadata(true);
    return request;
  }
};

TEST_F(SharingServiceTest, TheSameTextInTwoCallsIsComputedOnceAndSaysSo) {
  config().sharing.join_identical = true;
  StartServer();
  gate().Close();
  v1::EmbedResponse first, second;
  std::thread other([&] { EXPECT_TRUE(Embed(WithMetadata({"w1 w2"}), &first).ok()); });
  gate().AwaitArrival();
  std::thread joining([&] { EXPECT_TRUE(Embed(WithMetadata({"w1 w2", "w1 w2"}), &second).ok()); });
  // It joins what is at the gate, if it comes in time; else it is computed by itself. Both are right answers.
  gate().Open();
  other.join();
  joining.join();
  EXPECT_THAT(first.results(0).embedding().values(), ElementsAre(2, 3, 0, 0));
  EXPECT_THAT(second.results(1).embedding().values(), ElementsAre(2, 3, 0, 0));
  EXPECT_EQ(first.metadata().shared_items(), 0);
  EXPECT_GE(second.metadata().shared_items(), 1) << "its two are the same in any case";
}

TEST_F(SharingServiceTest, KnownItemsAreAnsweredFromTheCacheInEveryForm) {
  config().sharing.cache_bytes = 1 << 20;
  StartServer();
  v1::EmbedResponse response;
  v1::EmbedRequest request = WithMetadata({"w1 w2", "w7"});
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.metadata().cached_items(), 0);
  request.mutable_options()->set_encoding(v1::ENCODING_FLOAT16);  // the same vector, written otherwise
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.metadata().cached_items(), 2);
  EXPECT_EQ(response.metadata().batch_tokens(), 0);
  request.mutable_options()->set_normalize(false);
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.metadata().cached_items(), 0) << "other options, other work";
  request.mutable_options()->mutable_attention();
  ASSERT_TRUE(Embed(request, &response).ok());
  EXPECT_EQ(response.metadata().cached_items(), 0);
}

TEST_F(SharingServiceTest, CachedCallsAreAnsweredWhileWorkersAreBusy) {
  config().sharing.cache_bytes = 1 << 20;
  StartServer();
  v1::EmbedResponse response;
  ASSERT_TRUE(Embed(Texts({"w1 w2"}), &response).ok());
  gate().Close();
  v1::EmbedResponse busy;
  std::thread other([&] { EXPECT_TRUE(Embed(Texts({"w9"}), &busy).ok()); });
  gate().AwaitArrival();
  ASSERT_TRUE(Embed(Texts({"w1 w2"}), &response).ok());
  EXPECT_THAT(response.results(0).embedding().values(), ElementsAre(2, 3, 0, 0));
  gate().Open();
  other.join();
}

}  // namespace
}  // namespace attendant::testing
