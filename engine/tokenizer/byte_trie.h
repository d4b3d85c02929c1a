// A map from byte strings to values that is walked one byte at a time, for longest-match searches.
//
// A hash table of edges, keyed by (node, byte): building takes linear time and memory whatever the strings are, and a
// step is one probe. Nodes count in the order of insertion, 0 is the root.
// Thread-safety: immutable once built. Owns its memory.
#ifndef ATTENDANT_ENGINE_TOKENIZER_BYTE_TRIE_H_
#define ATTENDANT_ENGINE_TOKENIZER_BYTE_TRIE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace attendant {

class ByteTrie {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNoNode = 0xFFFFFF;
  static constexpr int32_t kNoValue = -1;
  // Nodes are 24-bit numbers.
  static constexpr size_t kMaxNodes = kNoNode;

  ByteTrie();

  // value >= 0; replaces an earlier value of the same key. False, and a trie that is good for nothing, when there are
  // too many nodes.
  [[nodiscard]] bool Insert(std::string_view key, int32_t value);

  // The node behind the edge, kNoNode when there is none.
  uint32_t Step(uint32_t node, unsigned char byte) const {
    const uint32_t key = node << 8 | byte;
    for (size_t slot = Hash(key);; slot = (slot + 1) & mask_) {
      const Edge& edge = edges_[slot];
      if (edge.key == key) return edge.node;
      if (edge.key == kEmpty) return kNoNode;
    }
  }
  // kNoValue when no key ends here.
  int32_t Value(uint32_t node) const { return values_[node]; }
  // The node where a walk along key ends, kNoNode when it leaves the trie.
  uint32_t Walk(std::string_view key) const;

 private:
  // No edge has this key: it would leave from node kNoNode.
  static constexpr uint32_t kEmpty = 0xFFFFFFFF;
  struct Edge {
    uint32_t key = kEmpty;
    uint32_t node = kNoNode;
  };

  size_t Hash(uint32_t key) const { return key * uint64_t{0x9E3779B97F4A7C15} >> shift_; }

  void Grow();

  std::vector<Edge> edges_;      // a power of two, at most half full
  std::vector<int32_t> values_;  // [nodes]
  size_t mask_;
  int shift_;
};

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_BYTE_TRIE_H_
