#include "server/models/golden.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace attendant {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

json Good() {
  return {{"format", "attendant-golden-1"},
          {"precision", "fp32"},
          {"fingerprint", "f"},
          {"dimension", 2},
          {"normalize", true},
          {"pooling", {"mean"}},
          {"max_tokens", 128},
          {"items", {{{"text", "a"}, {"vector", {0.6, 0.8}}}}}};
}

std::string ErrorOf(const json& root) { return std::string(ParseGolden(root.dump(), "g.json").status().message()); }

TEST(Golden, ReadsWhatTheFileSays) {
  json root = Good();
  root["min_cosine"] = {{"int8", 0.5}};
  const auto golden = ParseGolden(root.dump(), "g.json");
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(golden->dimension, 2);
  EXPECT_EQ(golden->items.at(0).vector.at(1), 0.8f);
  EXPECT_EQ(golden->MinCosine("fp32"), 0.99999);
  EXPECT_EQ(golden->MinCosine("bf16"), 0.999);
  EXPECT_EQ(golden->MinCosine("int8"), 0.5);
}

TEST(Golden, TheNarrowerOfTwoPrecisionsDecides) {
  json root = Good();
  root["precision"] = "int8";
  EXPECT_EQ(ParseGolden(root.dump(), "g.json")->MinCosine("fp32"), 0.98);
}

TEST(Golden, WhatIsWrongIsNamed) {
  EXPECT_THAT(std::string(ParseGolden("{", "g.json").status().message()), HasSubstr("g.json: it is not JSON"));
  EXPECT_THAT(ErrorOf(json::array()), HasSubstr("not a JSON object"));
  const std::vector<std::pair<std::string, json>> wrong = {{"format", "other"},
                                                           {"precision", "auto"},
                                                           {"dimension", -1},
                                                           {"dimension", 0},
                                                           {"dimension", 1ll << 40},
                                                           {"normalize", 1},
                                                           {"pooling", "mean"},
                                                           {"pooling", {1}},
                                                           {"max_tokens", "x"},
                                                           {"min_cosine", 1},
                                                           {"min_cosine", {{"fp32", 2}}},
                                                           {"min_cosine", {{"fp16", 0.5}}},
                                                           {"items", json::array()},
                                                           {"items", 5}};
  for (const auto& [key, value] : wrong) {
    json root = Good();
    root[key] = value;
    EXPECT_THAT(ErrorOf(root), HasSubstr("\"" + key + "\"")) << value;
  }
  const std::vector<json> items = {5,
                                   {{"text", "a"}},
                                   {{"text", 5}, {"vector", {1, 2}}},
                                   {{"text", "a"}, {"vector", {1}}},
                                   {{"text", "a"}, {"vector", {1, "2"}}}};
  for (const json& item : items) {
    json root = Good();
    root["items"].push_back(item);
    EXPECT_THAT(ErrorOf(root), HasSubstr("items[1]")) << item;
  }
}

TEST(Golden, ADirectoryWithoutThemHasNone) {
  const auto golden = ReadGolden(::testing::TempDir());
  ASSERT_TRUE(golden.ok());
  EXPECT_FALSE(golden->has_value());
}

}  // namespace
}  // namespace attendant
