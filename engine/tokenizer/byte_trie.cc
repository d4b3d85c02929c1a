#include "engine/tokenizer/byte_trie.h"

#include <bit>
#include <utility>

namespace attendant {
namespace {

constexpr size_t kInitialEdges = 64;

}  // namespace

ByteTrie::ByteTrie()
    : edges_(kInitialEdges),
      values_(1, kNoValue),
      mask_(kInitialEdges - 1),
      shift_(64 - std::countr_zero(kInitialEdges)) {}

bool ByteTrie::Insert(std::string_view key, int32_t value) {
  uint32_t node = kRoot;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    uint32_t next = Step(node, byte);
    if (next == kNoNode) {
      if (values_.size() >= kMaxNodes) return false;
      // Each node but the root has one edge leading to it.
      if (values_.size() * 2 > edges_.size()) Grow();
      next = static_cast<uint32_t>(values_.size());
      values_.push_back(kNoValue);
      const uint32_t edge_key = node << 8 | byte;
      size_t slot = Hash(edge_key);
      while (edges_[slot].key != kEmpty) slot = (slot + 1) & mask_;
      edges_[slot] = {edge_key, next};
    }
    node = next;
  }
  values_[node] = value;
  return true;
}

uint32_t ByteTrie::Walk(std::string_view key) const {
  uint32_t node = kRoot;
  for (const char c : key) {
    node = Step(node, static_cast<unsigned char>(c));
    if (node == kNoNode) break;
  }
  return node;
}

void ByteTrie::Grow() {
  std::vector<Edge> old(edges_.size() * 2);
  old.swap(edges_);
  mask_ = edges_.size() - 1;
  shift_ = 64 - std::countr_zero(edges_.size());
  for (const Edge& edge : old) {
    if (edge.key == kEmpty) continue;
    size_t slot = Hash(edge.key);
    while (edges_[slot].key != kEmpty) slot = (slot + 1) & mask_;
    edges_[slot] = edge;
  }
}

}  // namespace attendant
