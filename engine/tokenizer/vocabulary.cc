#include "engine/tokenizer/vocabulary.h"

#include <algorithm>

namespace attendant {

Vocabulary::Vocabulary(std::vector<std::pair<std::string, int32_t>>& vocab, const std::vector<AddedTokenSpec>& added) {
  // (id, index), added tokens behind the vocabulary's.
  std::vector<std::pair<int32_t, uint32_t>> order;
  order.reserve(vocab.size() + added.size());
  for (const auto& [token, id] : vocab) order.emplace_back(id, static_cast<uint32_t>(order.size()));
  for (const AddedTokenSpec& token : added) order.emplace_back(token.id, static_cast<uint32_t>(order.size()));
  std::sort(order.begin(), order.end());
  by_id_.reserve(order.size());
  for (const auto& [id, index] : order) {
    // An added token that is also in the vocabulary comes second and wins.
    if (!by_id_.empty() && by_id_.back().id == id) by_id_.pop_back();
    if (index < vocab.size()) {
      by_id_.push_back({id, false, std::move(vocab[index].first)});
    } else {
      const AddedTokenSpec& token = added[index - vocab.size()];
      by_id_.push_back({id, token.special, token.content});
    }
  }
}

const Vocabulary::Entry* Vocabulary::Find(int32_t id) const {
  if (id < 0) return nullptr;
  // In most vocabularies every id is in its own place.
  if (static_cast<size_t>(id) < by_id_.size() && by_id_[id].id == id) return &by_id_[id];
  const auto found = std::lower_bound(by_id_.begin(), by_id_.end(), id,
                                      [](const Entry& entry, int32_t key) { return entry.id < key; });
  return found != by_id_.end() && found->id == id ? &*found : nullptr;
}

std::string_view Vocabulary::Token(int32_t id) const {
  const Entry* entry = Find(id);
  return entry == nullptr ? std::string_view() : entry->token;
}

bool Vocabulary::IsSpecial(int32_t id) const {
  const Entry* entry = Find(id);
  return entry != nullptr && entry->special;
}

}  // namespace attendant
