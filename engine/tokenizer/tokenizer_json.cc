#include "engine/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
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

// Takes the entries of model.vocab out of the parser's hands as they come: as a tree they would take most of the time
// of a start.
class VocabCollector {
 public:
  using Json = nlohmann::json;

  // A Json::parser_callback_t.
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      in_model_ = parsed == "model";
    } else if (event == Json::parse_event_t::key && depth == 2) {
      in_vocab_ = in_model_ && parsed == "vocab";
      if (in_vocab_) entries_.clear();  // of a key that is there twice the last counts
    } else if (in_model_ && in_vocab_ && depth == 3) {
      return TakeEntry(event, parsed);
    }
    return true;
  }

  // What is wrong with an entry, "" when nothing is.
  const std::string& error() const { return error_; }
  std::vector<std::pair<std::string, int32_t>>& entries() { return entries_; }

 private:
  bool TakeEntry(Json::parse_event_t event, const Json& parsed) {
    switch (event) {
      case Json::parse_event_t::key:
        entries_.emplace_back(parsed.get_ref<const std::string&>(), 0);
        return false;
      case Json::parse_event_t::value:
        TakeValue(parsed);
        return false;
      case Json::parse_event_t::object_start:
        Fail("an object");
        return true;
      case Json::parse_event_t::array_start:
        Fail("an array");
        return true;
      default:
        return true;
    }
  }

  void TakeValue(const Json& value) {
    if (entries_.empty()) return;  // an array's elements; that it is none is an error elsewhere
    if (value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(kMaxTokenId)) {
      entries_.back().second = value.get<int32_t>();
    } else {
      Fail(value.is_number_integer() ? value.dump() : value.type_name());
    }
  }

  void Fail(const std::string& found) {
    if (!error_.empty() || entries_.empty()) return;
    error_ = absl::StrCat("has ", found, " for token ", Json(entries_.back().first).dump(), ", not an id from 0 to ",
                          kMaxTokenId);
  }

  bool in_model_ = false;
  bool in_vocab_ = false;
  std::string error_;
  std::vector<std::pair<std::string, int32_t>> entries_;
};

void ReadVocab(const JsonNode& node, VocabCollector& vocab, WordPieceSpec& model) {
  node.Object();
  if (!vocab.error().empty()) return node.Fail(vocab.error());
  model.vocab = std::move(vocab.entries());
  std::vector<int32_t> ids;
  ids.reserve(model.vocab.size());
  for (const auto& [token, id] : model.vocab) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) node.Fail(absl::StrCat("has the id ", *twice, " twice"));
}

void ReadModel(const JsonNode& node, VocabCollector& vocab, WordPieceSpec& model) {
  const JsonNode type = node.Get("type");
  // Files of the first versions have no type.
  if (type.Exists() || !node.Get("continuing_subword_prefix").Exists()) {
    const std::string name = type.String();
    if (name != "WordPiece") return type.Unsupported(absl::StrCat("\"", name, "\" is not supported; WordPiece is"));
  }
  model.unk_token = node.Get("unk_token").String();
  model.continuing_subword_prefix = node.Get("continuing_subword_prefix").String();
  model.max_input_chars_per_word = node.Get("max_input_chars_per_word").Integer(0, INT32_MAX);
  ReadVocab(node.Get("vocab"), vocab, model);
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
  std::vector<AddedTokenSpec> tokens;
  std::unordered_map<std::string_view, int32_t> ids;  // by the vocabulary, -1: not in it
  for (size_t i = 0; i < node.Size(); ++i) tokens.push_back(ReadAddedToken(node.Element(i)));
  for (const AddedTokenSpec& token : tokens) ids.emplace(token.content, -1);
  auto next_id = static_cast<int32_t>(spec.model.vocab.size());
  std::unordered_set<int32_t> used;  // that new tokens could meet
  for (const auto& [token, id] : spec.model.vocab) {
    if (const auto known = ids.find(token); known != ids.end()) known->second = id;
    if (id >= next_id) used.insert(id);
  }
  std::unordered_set<std::string_view> seen;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const AddedTokenSpec& token = tokens[i];
    const JsonNode element = node.Element(i);
    if (token.content.empty()) continue;
    if (!seen.insert(token.content).second) return element.Fail("is there twice");
    const int32_t known = ids[token.content];
    const int32_t expected = known >= 0 ? known : next_id++;
    if (token.id != expected) {
      return element.Get("id").Fail(
          absl::StrCat("is ", token.id, "; by the vocabulary \"", token.content, "\" has the id ", expected));
    }
    if (known < 0 && used.contains(token.id)) {
      return element.Get("id").Fail(absl::StrCat(token.id, " is another token's in the vocabulary"));
    }
    spec.added_tokens.push_back(token);
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

void ReadAll(const JsonNode& root, VocabCollector& vocab, TokenizerSpec& spec) {
  const JsonNode version = root.Get("version");
  if (version.Exists() && version.String() != "1.0") return version.Unsupported("is not \"1.0\"");
  ReadModel(root.Get("model"), vocab, spec.model);
  ReadAddedTokens(root.Get("added_tokens"), spec);
  ReadNormalizer(root.Get("normalizer"), spec.normalizer);
  ReadPreTokenizer(root.Get("pre_tokenizer"), spec.pre_tokenizer);
  ReadPostProcessor(root.Get("post_processor"), spec.post_processor);
  CheckTrimming(root.Get("post_processor"), spec);
}

}  // namespace

absl::StatusOr<TokenizerSpec> ReadTokenizerJson(std::string_view text, const std::string& name) {
  VocabCollector vocab;
  JsonDocument document(text, name, std::ref(vocab));
  TokenizerSpec spec;
  if (document.status().ok()) ReadAll(document.Root(), vocab, spec);
  if (!document.status().ok()) return document.status();
  return spec;
}

}  // namespace attendant
