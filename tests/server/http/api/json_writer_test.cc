#include "server/http/api/json_writer.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "attendant/v1/embedding.pb.h"

namespace attendant {
namespace {

using nlohmann::json;

std::string Floats(const std::vector<float>& values) {
  std::string out;
  AppendJsonFloats(values, &out);
  return out;
}

TEST(JsonWriterTest, StringsAreEscapedAndAlwaysUtf8) {
  const auto written = [](std::string_view text) {
    std::string out;
    AppendJsonString(text, &out);
    return out;
  };
  EXPECT_EQ(written("plain"), "\"plain\"");
  EXPECT_EQ(written("a\"b\\c\n\r\t\x01"), R"("a\"b\\c\n\r\t\u0001")");
  EXPECT_EQ(written("ä€\U0001F600"), "\"ä€\U0001F600\"");
  EXPECT_EQ(written(std::string_view("a\0b", 3)), R"("a\u0000b")");
  EXPECT_EQ(written("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_FALSE(json::parse(written(all), nullptr, false).is_discarded());
}

TEST(JsonWriterTest, FloatsReadBackAsTheSameBits) {
  EXPECT_EQ(Floats({}), "[]");
  EXPECT_EQ(Floats({0.1f, -1.0f, 0.0f}), "[0.1,-1,0]");
  std::mt19937 random(7);
  std::vector<float> values = {std::numeric_limits<float>::min(),
                               std::numeric_limits<float>::max(),
                               std::numeric_limits<float>::denorm_min(),
                               -std::numeric_limits<float>::max(),
                               -std::numeric_limits<float>::denorm_min(),
                               -0.0f,
                               -1.17549435e-38f};
  while (values.size() < 20'000) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    if (std::isfinite(value)) values.push_back(value);
  }
  // By way of double, as Python reads them.
  const json parsed = json::parse(Floats(values));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto back = static_cast<float>(parsed[i].get<double>());
    ASSERT_EQ(std::bit_cast<uint32_t>(back), std::bit_cast<uint32_t>(values[i])) << values[i];
  }
}

TEST(JsonWriterTest, Base64) {
  const auto encoded = [](std::string_view bytes) {
    std::string out;
    AppendBase64(bytes, &out);
    return out;
  };
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foo"), "Zm9v");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(encoded("\xfb\xff\xfe"), "+//+");
  std::string floats;
  AppendBase64(std::vector<float>{1.0f}, &floats);
  EXPECT_EQ(floats, "AACAPw==") << "little-endian";
}

TEST(JsonWriterTest, MessagesReadBackAsThemselves) {
  v1::Model model;
  model.set_name("na\"me");
  model.set_dimension(384);
  model.set_normalize(true);
  model.add_pooling(v1::POOLING_MEAN);
  model.add_pooling(static_cast<v1::Pooling>(77));
  (*model.mutable_prompts())["query"] = "q: ";
  (*model.mutable_prompts())[""] = "";
  model.mutable_limits()->set_max_attention_bytes(1LL << 40);
  model.set_loaded_unix_ms(1'700'000'000'000);
  model.set_state(v1::MODEL_STATE_READY);
  std::string text;
  AppendJsonMessage(model, &text);
  v1::Model back;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(text, &back).ok()) << text;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(model, back)) << text;
  const json parsed = json::parse(text);
  EXPECT_EQ(parsed["loadedUnixMs"], "1700000000000");
  EXPECT_EQ(parsed["state"], "MODEL_STATE_READY");
  EXPECT_FALSE(parsed.contains("fingerprint"));
}

TEST(JsonWriterTest, MessagesWithVectorsAreAsProtobufHasThem) {
  v1::EmbedResponse response;
  response.set_model("m");
  for (int i = 0; i < 3; ++i) {
    v1::EmbedResult* result = response.add_results();
    for (const float value : {0.1f, 1e-30f, -2.5f}) result->mutable_embedding()->add_values(value);
    result->mutable_embedding()->add_shape(3);
    result->set_tokens_used(i);
  }
  std::string ours;
  AppendJsonMessage(response, &ours);
  v1::EmbedResponse back;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(ours, &back).ok()) << ours;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(response, back));
  response.mutable_results(0)->mutable_embedding()->set_values(0, std::nanf(""));
  ours.clear();
  AppendJsonMessage(response, &ours);
  EXPECT_EQ(json::parse(ours)["results"][0]["embedding"]["values"][0], "NaN");
}

}  // namespace
}  // namespace attendant
