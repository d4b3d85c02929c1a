#include "engine/tokenizer/byte_trie.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace attendant {
namespace {

TEST(ByteTrieTest, EmptyTrieHasNothing) {
  const ByteTrie trie;
  EXPECT_EQ(trie.Value(ByteTrie::kRoot), ByteTrie::kNoValue);
  for (int byte = 0; byte < 256; ++byte) EXPECT_EQ(trie.Step(ByteTrie::kRoot, byte), ByteTrie::kNoNode);
}

TEST(ByteTrieTest, PrefixesAreNotKeys) {
  ByteTrie trie;
  ASSERT_TRUE(trie.Insert("abc", 7));
  EXPECT_EQ(trie.Value(trie.Walk("ab")), ByteTrie::kNoValue);
  EXPECT_EQ(trie.Value(trie.Walk("abc")), 7);
  EXPECT_EQ(trie.Walk("abcd"), ByteTrie::kNoNode);
  EXPECT_EQ(trie.Walk("b"), ByteTrie::kNoNode);
  ASSERT_TRUE(trie.Insert("abc", 8));
  EXPECT_EQ(trie.Value(trie.Walk("abc")), 8);
}

TEST(ByteTrieTest, AgreesWithAMap) {
  std::mt19937 random(1);
  std::map<std::string, int32_t> map;
  ByteTrie trie;
  for (int i = 0; i < 20000; ++i) {
    std::string key(random() % 8, '\0');
    // Few letters make shared prefixes; 0 and 255 are bytes like others.
    for (char& c : key)
      c = static_cast<char>(random() % 4 == 0 ? random() % 256
                                              : "\x00\xFF"
                                                "ab"[random() % 4]);
    ASSERT_TRUE(trie.Insert(key, i));
    map[key] = i;
  }
  for (const auto& [key, value] : map) {
    ASSERT_EQ(trie.Value(trie.Walk(key)), value);
    const std::string longer = key + "zz";
    const uint32_t node = trie.Walk(longer);
    ASSERT_EQ(node != ByteTrie::kNoNode && trie.Value(node) != ByteTrie::kNoValue, map.contains(longer));
  }
}

}  // namespace
}  // namespace attendant
