#include "engine/tokenizer/vocabulary.h"

#include <algorithm>
#include <numeric>

namespace attendant {

Vocabulary::Vocabulary(const WordPieceSpec& model, const std::vector<AddedTokenSpec>& added) {
  by_id_.reserve(model.vocab.size() + added.size());
  for (const auto& [token, id] : model.vocab) by_id_.push_back({id, false, token});
  for (const AddedTokenSpec& token : added) by_id_.push_back({token.id, token.special, token.content});
  // An added token that is also in the vocabulary comes second and wins.
  const auto same_id = [](const Entry& a, const Entry& b) { return a.id == b.id; };
  std::stable_sort(by_id_.begin(), by_id_.end(), [](const Entry& a, const Entry& b) { return a.id < b.id; });
  by_id_.erase(by_id_.begin(), std::unique(by_id_.rbegin(), by_id_.rend(), same_id).base());
  by_token_.resize(by_id_.size());
  std::iota(by_token_.begin(), by_token_.end(), 0u);
  std::sort(by_token_.begin(), by_token_.end(),
            [this](uint32_t a, uint32_t b) { return by_id_[a].token < by_id_[b].token; });
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

std::optional<int32_t> Vocabulary::Id(std::string_view token) const {
  const auto found =
      std::lower_bound(by_token_.begin(), by_token_.end(), token,
                       [this](uint32_t index, std::string_view key) { return by_id_[index].token < key; });
  if (found == by_token_.end() || by_id_[*found].token != token) return std::nullopt;
  return by_id_[*found].id;
}

bool Vocabulary::IsSpecial(int32_t id) const {
  const Entry* entry = Find(id);
  return entry != nullptr && entry->special;
}

}  // namespace attendant
