#include "engine/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/tokenizer/json_node.h"
#include "engine/tokenizer/pipeline_json.h"
#include "engine/tokenizer/unicode_properties.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

// At either end; U+0120 stands for a space in byte-level vocabularies.
bool EndsInSpace(std::string_view token) {
  if (token.empty()) return false;
  size_t front = 0, back = token.size();
  for (const char32_t c : {utf8::Next(token, front), utf8::Previous(token, back)}) {
    if (c == 0x120 || (unicode::Lookup(c).flags & unicode::kWhitespace)) return true;
  }
  return false;
}

void ReadVocab(const JsonNode& node, WordPieceSpec& model) {
  const nlohmann::json& vocab = node.Object();
  model.vocab.reserve(vocab.size());
  std::vector<int32_t> ids;
  ids.reserve(vocab.size());
  for (auto it = vocab.begin(); it != vocab.end(); ++it) {
    const bool integer = it->is_number_unsigned();
    if (!integer || it->get<uint64_t>() > static_cast<uint64_t>(kMaxTokenId)) {
      const std::string found = integer || it->is_number_integer() ? it->dump() : it->type_name();
      return node.Fail(absl::StrCat("has ", found, " for token ", nlohmann::json(it.key()).dump(),
                                    ", not an id from 0 to ", kMaxTokenId));
    }
    ids.push_back(it->get<int32_t>());
    model.vocab.emplace_back(it.key(), ids.back());
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) node.Fail(absl::StrCat("has the id ", *twice, " twice"));
}

void ReadModel(const JsonNode& node, WordPieceSpec& model) {
  const JsonNode type = node.Get("type");
  // Files of the first versions have no type.
  if (type.Exists() || !node.Get("continuing_subword_prefix").Exists()) {
    const std::string name = type.String();
    if (name != "WordPiece") return type.Unsupported(absl::StrCat("\"", name, "\" is not supported; WordPiece is"));
  }
  model.unk_token = node.Get("unk_token").String();
  model.continuing_subword_prefix = node.Get("continuing_subword_prefix").String();
  model.max_input_chars_per_word = node.Get("max_input_chars_per_word").Integer(0, INT32_MAX);
  ReadVocab(node.Get("vocab"), model);
}

AddedTokenSpec ReadAddedToken(const JsonNode& node) {
  AddedTokenSpec token;
  token.content = node.Get("content").String();
  token.id = static_cast<int32_t>(node.Get("id").Integer(0, kMaxTokenId));
  token.single_word = node.Get("single_word").Bool();
  token.lstrip = node.Get("lstrip").Bool();
  token.rstrip = node.Get("rstrip").Bool();
  token.normalized = node.Get("normalized").Bool();
  token.special = node.Get("special").Bool();
  return token;
}

// The `tokenizers` package gives an added token the id it has in the vocabulary or else the next free one, whatever the
// file says. A file that says something else has been edited by hand, and one of the two would be wrong.
void ReadAddedTokens(const JsonNode& node, TokenizerSpec& spec) {
  if (!node.Exists()) return;
  std::unordered_map<std::string, int32_t> ids(spec.model.vocab.begin(), spec.model.vocab.end());
  std::unordered_set<int32_t> used;
  for (const auto& [token, id] : spec.model.vocab) used.insert(id);
  auto next_id = static_cast<int32_t>(spec.model.vocab.size());
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i < node.Size(); ++i) {
    const JsonNode element = node.Element(i);
    AddedTokenSpec token = ReadAddedToken(element);
    if (token.content.empty()) continue;
    if (!seen.insert(token.content).second) return element.Fail("is there twice");
    const auto known = ids.find(token.content);
    const int32_t expected = known != ids.end() ? known->second : next_id++;
    if (token.id != expected) {
      return element.Get("id").Fail(
          absl::StrCat("is ", token.id, "; by the vocabulary \"", token.content, "\" has the id ", expected));
    }
    if (known == ids.end() && !used.insert(token.id).second) {
      return element.Get("id").Fail(absl::StrCat(token.id, " is another token's in the vocabulary"));
    }
    spec.added_tokens.push_back(std::move(token));
  }
}

// Trimming looks at tokens as strings. Here, only the white space around added tokens is looked at.
void CheckTrimming(const JsonNode& post_processor, const TokenizerSpec& spec) {
  if (!spec.post_processor.trim_offsets) return;
  const auto check = [&](const std::string& token) {
    if (!EndsInSpace(token)) return;
    post_processor.Get("trim_offsets")
        .Unsupported(absl::StrCat("is not supported with a token that begins or ends in white space or \u0120: ",
                                  nlohmann::json(token).dump()));
  };
  for (const auto& [token, id] : spec.model.vocab) check(token);
  for (const AddedTokenSpec& token : spec.added_tokens) check(token.content);
}

void ReadAll(const JsonNode& root, TokenizerSpec& spec) {
  const JsonNode version = root.Get("version");
  if (version.Exists() && version.String() != "1.0") return version.Unsupported("is not \"1.0\"");
  ReadModel(root.Get("model"), spec.model);
  ReadAddedTokens(root.Get("added_tokens"), spec);
  ReadNormalizer(root.Get("normalizer"), spec.normalizer);
  ReadPreTokenizer(root.Get("pre_tokenizer"), spec.pre_tokenizer);
  ReadPostProcessor(root.Get("post_processor"), spec.post_processor);
  CheckTrimming(root.Get("post_processor"), spec);
}

}  // namespace

absl::StatusOr<TokenizerSpec> ReadTokenizerJson(std::string_view text, const std::string& name) {
  JsonDocument document(text, name);
  TokenizerSpec spec;
  if (document.status().ok()) ReadAll(document.Root(), spec);
  if (!document.status().ok()) return document.status();
  return spec;
}

}  // namespace attendant
