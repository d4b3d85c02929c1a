#include "engine/tokenizer/vocab_txt.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/tokenizer/json_node.h"
#include "engine/tokenizer/pipeline_json.h"
#include "engine/tokenizer/tokenizer_json.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

using Ids = std::unordered_map<std::string, int32_t>;

// Tokenizers that are BertTokenizer under another name.
constexpr std::string_view kBertClasses[] = {"BertTokenizer",     "DistilBertTokenizer", "ElectraTokenizer",
                                             "ConvBertTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer"};

// Lines are ids, from 0. Of a token that is there twice the last line counts.
absl::StatusOr<Ids> ReadLines(const NamedText& vocab) {
  if (utf8::ValidPrefix(vocab.text) != vocab.text.size()) {
    return absl::InvalidArgumentError(absl::StrCat(vocab.name, ": not UTF-8 at byte ", utf8::ValidPrefix(vocab.text)));
  }
  Ids ids;
  std::string_view rest = vocab.text;
  for (int32_t id = 0; !rest.empty(); ++id) {
    if (id > kMaxTokenId) return absl::InvalidArgumentError(absl::StrCat(vocab.name, ": more than ", id, " lines"));
    const size_t length = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) ids[std::string(line)] = id;
  }
  if (ids.empty()) return absl::InvalidArgumentError(absl::StrCat(vocab.name, ": has no tokens"));
  return ids;
}

// A special token is its text, or an object about it.
AddedTokenSpec ReadToken(const JsonNode& node) {
  AddedTokenSpec token;
  token.special = true;
  if (!node.IsObject()) {
    token.content = node.String();
    return token;
  }
  const auto flag = [&node](const char* key, bool otherwise) {
    const JsonNode value = node.Get(key);
    return value.Exists() ? value.Bool() : otherwise;
  };
  token.content = node.Get("content").String();
  token.single_word = flag("single_word", false);
  token.lstrip = flag("lstrip", false);
  token.rstrip = flag("rstrip", false);
  token.normalized = flag("normalized", false);
  token.special = flag("special", true);
  return token;
}

class VocabTxtReader {
 public:
  VocabTxtReader(Ids ids, JsonNode config, JsonNode special_tokens_map)
      : ids_(std::move(ids)), config_(std::move(config)), special_tokens_map_(std::move(special_tokens_map)) {}

  TokenizerSpec Read() {
    CheckConfig();
    ReadNormalizerOptions();
    spec_.pre_tokenizer.split_whitespace = spec_.pre_tokenizer.isolate_punctuation = true;
    spec_.model = {{ids_.begin(), ids_.end()}, NamedToken("unk_token", "[UNK]").content, "##", 100};
    const int32_t cls = RequiredId("cls_token", "[CLS]"), sep = RequiredId("sep_token", "[SEP]");
    SetBertTemplate(cls, sep, spec_.post_processor);
    // The decoder list is the most precise about a token, so it comes first.
    ReadAddedTokensDecoder();
    for (const auto& [key, otherwise] : kSpecialTokens) Add(NamedToken(key, otherwise));
    for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) ReadMoreTokens(key);
    return std::move(spec_);
  }

 private:
  static constexpr std::pair<const char*, const char*> kSpecialTokens[] = {{"unk_token", "[UNK]"},
                                                                           {"sep_token", "[SEP]"},
                                                                           {"pad_token", "[PAD]"},
                                                                           {"cls_token", "[CLS]"},
                                                                           {"mask_token", "[MASK]"}};

  void CheckConfig() const {
    const JsonNode name = config_.Get("tokenizer_class");
    if (name.Exists()) {
      std::string base = name.String();
      if (base.ends_with("Fast")) base.resize(base.size() - 4);
      if (std::find(std::begin(kBertClasses), std::end(kBertClasses), base) == std::end(kBertClasses)) {
        name.Unsupported(absl::StrCat("\"", base, "\" is not supported without a tokenizer.json; BertTokenizer is"));
      }
    }
    if (!Flag("do_basic_tokenize", true)) config_.Get("do_basic_tokenize").Unsupported("false is not supported");
    const JsonNode never_split = config_.Get("never_split");
    if (never_split.Exists() && never_split.Size() != 0) never_split.Unsupported("is not supported");
  }

  void ReadNormalizerOptions() {
    const bool lowercase = Flag("do_lower_case", true);
    AppendBertNormalizer(true, Flag("tokenize_chinese_chars", true), Flag("strip_accents", lowercase), lowercase,
                         spec_.normalizer);
  }

  bool Flag(const char* key, bool otherwise) const {
    const JsonNode node = config_.Get(key);
    return node.Exists() ? node.Bool() : otherwise;
  }

  AddedTokenSpec NamedToken(const char* key, const char* otherwise) const {
    for (const JsonNode* file : {&config_, &special_tokens_map_}) {
      const JsonNode node = file->Get(key);
      if (node.Exists()) return ReadToken(node);
    }
    AddedTokenSpec token;
    token.content = otherwise;
    token.special = true;
    return token;
  }

  int32_t RequiredId(const char* key, const char* otherwise) const {
    const std::string content = NamedToken(key, otherwise).content;
    const auto found = ids_.find(content);
    if (found != ids_.end()) return found->second;
    config_.Get(key).Fail(absl::StrCat("\"", content, "\" is not in vocab.txt"));
    return 0;
  }

  void Add(AddedTokenSpec token) {
    const auto found = ids_.find(token.content);
    if (found == ids_.end()) return;
    token.id = found->second;
    const auto same = [&token](const AddedTokenSpec& other) { return other.content == token.content; };
    if (std::none_of(spec_.added_tokens.begin(), spec_.added_tokens.end(), same)) {
      spec_.added_tokens.push_back(std::move(token));
    }
  }

  void ReadAddedTokensDecoder() {
    const JsonNode decoder = config_.Get("added_tokens_decoder");
    if (!decoder.Exists()) return;
    for (const auto& [key, value] : decoder.Object().items()) {
      const JsonNode node = decoder.Get(key.c_str());
      int32_t id = -1;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      if (error != std::errc() || end != key.data() + key.size() || id < 0 || id > kMaxTokenId) {
        return node.Fail("is not an id");
      }
      AddedTokenSpec token = ReadToken(node);
      const auto found = ids_.find(token.content);
      if (found == ids_.end() || found->second != id) {
        return node.Fail(absl::StrCat("\"", token.content, "\" is not the token of that line in vocab.txt"));
      }
      Add(std::move(token));
    }
  }

  void ReadMoreTokens(const char* key) {
    for (const JsonNode* file : {&config_, &special_tokens_map_}) {
      const JsonNode list = file->Get(key);
      // A newer form, an object by role, names tokens that are in the decoder list.
      if (!list.Exists() || list.IsObject()) continue;
      for (size_t i = 0; i < list.Size(); ++i) Add(ReadToken(list.Element(i)));
    }
  }

  Ids ids_;
  JsonNode config_;
  JsonNode special_tokens_map_;
  TokenizerSpec spec_;
};

}  // namespace

absl::StatusOr<TokenizerSpec> ReadVocabTxt(const NamedText& vocab, const NamedText& tokenizer_config,
                                           const NamedText& special_tokens_map) {
  absl::StatusOr<Ids> ids = ReadLines(vocab);
  if (!ids.ok()) return ids.status();
  JsonDocument config(tokenizer_config.text, tokenizer_config.name);
  JsonDocument map(special_tokens_map.text, special_tokens_map.name);
  for (const JsonDocument* document : {&config, &map}) {
    if (!document->status().ok()) return document->status();
  }
  TokenizerSpec spec = VocabTxtReader(*std::move(ids), config.Root(), map.Root()).Read();
  for (const JsonDocument* document : {&config, &map}) {
    if (!document->status().ok()) return document->status();
  }
  return spec;
}

}  // namespace attendant
