#include "engine/input_tokenizer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/lower_case.h"
#include "engine/tokenizer/utf8.h"

namespace attendant {
namespace {

InputError Invalid(const std::string& field, const std::string& message) {
  return {absl::InvalidArgumentError(message), field};
}

EncodeOptions LimitsOf(const TokenizeOptions& options, int32_t max_tokens) {
  EncodeOptions encode;
  // With kError the whole length must be known; with kWindow nothing is cut.
  const bool whole = options.truncation == Truncation::kError || options.truncation == Truncation::kWindow;
  if (!whole) encode.max_tokens = max_tokens;
  if (options.truncation == Truncation::kStart) encode.side = TruncationSide::kStart;
  return encode;
}

// A complete sequence of the caller's own, cut to at most `limit` tokens on the given side.
void CutIds(Encoding& encoding, int32_t limit, TruncationSide side) {
  const int32_t size = static_cast<int32_t>(encoding.input_ids.size());
  if (limit == 0 || size <= limit) return;
  encoding.tokens_dropped = size - limit;
  const auto cut = [&](auto& values) {
    const auto drop = side == TruncationSide::kEnd ? values.begin() + limit : values.begin();
    values.erase(drop, drop + (size - limit));
  };
  cut(encoding.input_ids);
  cut(encoding.token_type_ids);
  cut(encoding.offsets);
}

// The part of the text, without the prompt, that these tokens come from.
Offset CharsOf(const TokenizedItem& item, size_t first, size_t last) {
  Offset chars;
  for (size_t i = first; i < last; ++i) {
    const Offset& offset = item.offsets[i];
    if (offset.end <= item.prompt_chars) continue;  // special, or of the prompt
    if (chars.end == 0) chars.start = std::max(0, offset.start - item.prompt_chars);
    chars.end = offset.end - item.prompt_chars;
  }
  return chars;
}

}  // namespace

std::variant<TokenizedItem, InputError> InputTokenizer::Tokenize(const Input& input,
                                                                 const TokenizeOptions& options) const {
  if (options.truncation == Truncation::kWindow) return Invalid("truncation", "windows are not one sequence");
  return TokenizeWhole(input, options);
}

InputTokenizer::Outcome InputTokenizer::TokenizeWhole(const Input& input, const TokenizeOptions& options) const {
  if (const auto* text = std::get_if<TextInput>(&input)) return TokenizeText(text->text, options);
  if (const auto* pair = std::get_if<PairInput>(&input)) return TokenizePair(*pair, options);
  return TokenizeIds(std::get<IdsInput>(input), options);
}

int32_t InputTokenizer::MaxTokens(const TokenizeOptions& options) const {
  const int32_t own = sentence_.max_seq_length;
  return options.max_tokens > 0 ? std::min(options.max_tokens, own) : own;
}

InputTokenizer::Prompt InputTokenizer::FindPrompt(const TokenizeOptions& options) const {
  if (options.prompt_text) return {*options.prompt_text, std::nullopt};
  const std::string& name = options.prompt_name ? *options.prompt_name : sentence_.default_prompt_name;
  if (name.empty() && !options.prompt_name) return {};
  const auto it = sentence_.prompts.find(name);
  if (it != sentence_.prompts.end()) return {it->second, std::nullopt};
  std::string known = absl::StrJoin(sentence_.prompts, ", ", [](std::string* out, const auto& prompt) {
    absl::StrAppend(out, "\"", prompt.first, "\"");
  });
  return {"", Invalid("prompt_name",
                      absl::StrCat("the model has no prompt \"", name, "\"; it has ", known.empty() ? "none" : known))};
}

InputTokenizer::Outcome InputTokenizer::TokenizeText(std::string_view text, const TokenizeOptions& options) const {
  if (IsBlank(text)) return Invalid("text", "the text is empty or blank");
  Prompt prompt = FindPrompt(options);
  if (prompt.error) return *std::move(prompt.error);
  // Without a prompt, which is the common case, the caller's text is not copied.
  std::string own;
  if (!prompt.text.empty() || sentence_.do_lower_case) {
    own.reserve(prompt.text.size() + text.size());
    own.append(prompt.text).append(text);
    if (sentence_.do_lower_case) own = LowerCase(own);
    text = own;
  }
  Encoding encoding = tokenizer_.Encode(text, LimitsOf(options, MaxTokens(options)));
  if (static_cast<int32_t>(encoding.input_ids.size()) + encoding.tokens_dropped <=
      tokenizer_.num_special_tokens(false)) {
    return Invalid("text", "the text holds no characters that the tokenizer keeps");
  }
  Outcome outcome = Finish(std::move(encoding), options, "text");
  auto* item = std::get_if<TokenizedItem>(&outcome);
  if (item == nullptr || prompt.text.empty()) return outcome;
  if (sentence_.do_lower_case) prompt.text = LowerCase(prompt.text);
  item->prompt_chars = static_cast<int32_t>(utf8::CountCodePoints(prompt.text));
  if (!sentence_.include_prompt) {
    // As sentence-transformers counts a prompt: tokenised alone, without the special token at its end.
    const Encoding alone = tokenizer_.Encode(prompt.text, EncodeOptions{.max_tokens = MaxTokens(options)});
    const bool closed = !alone.input_ids.empty() && tokenizer_.IsSpecial(alone.input_ids.back());
    item->sequence.pooling_start = static_cast<int32_t>(alone.input_ids.size()) - (closed ? 1 : 0);
  }
  return outcome;
}

InputTokenizer::Outcome InputTokenizer::TokenizePair(const PairInput& pair, const TokenizeOptions& options) const {
  if (IsBlank(pair.first)) return Invalid("pair.first", "the text is empty or blank");
  if (IsBlank(pair.second)) return Invalid("pair.second", "the text is empty or blank");
  const int32_t max_tokens = MaxTokens(options);
  if (max_tokens < tokenizer_.num_special_tokens(true)) {
    return Invalid("pair", absl::StrCat("a pair needs ", tokenizer_.num_special_tokens(true),
                                        " special tokens, the limit is ", max_tokens, " tokens"));
  }
  Encoding encoding;
  if (sentence_.do_lower_case) {
    encoding = tokenizer_.EncodePair(LowerCase(pair.first), LowerCase(pair.second), LimitsOf(options, max_tokens));
  } else {
    encoding = tokenizer_.EncodePair(pair.first, pair.second, LimitsOf(options, max_tokens));
  }
  for (const int32_t type : encoding.token_type_ids) {
    if (type >= config_.type_vocab_size) {
      return Invalid("pair", absl::StrCat("the model has ", config_.type_vocab_size,
                                          " token type(s) and cannot tell the two texts of a pair apart"));
    }
  }
  return Finish(std::move(encoding), options, "pair");
}

std::optional<InputError> InputTokenizer::CheckIds(const IdsInput& ids) const {
  if (ids.input_ids.empty()) return Invalid("tokens.input_ids", "there are no ids");
  if (!ids.token_type_ids.empty() && ids.token_type_ids.size() != ids.input_ids.size()) {
    return Invalid("tokens.token_type_ids", absl::StrCat("there are ", ids.token_type_ids.size(), " for ",
                                                         ids.input_ids.size(), " input_ids; give one each, or none"));
  }
  for (size_t i = 0; i < ids.input_ids.size(); ++i) {
    if (ids.input_ids[i] < 0 || ids.input_ids[i] >= config_.vocab_size) {
      return Invalid(absl::StrCat("tokens.input_ids[", i, "]"),
                     absl::StrCat("id ", ids.input_ids[i], " is not in the vocabulary, 0 to ", config_.vocab_size - 1));
    }
  }
  for (size_t i = 0; i < ids.token_type_ids.size(); ++i) {
    if (ids.token_type_ids[i] < 0 || ids.token_type_ids[i] >= config_.type_vocab_size) {
      return Invalid(absl::StrCat("tokens.token_type_ids[", i, "]"),
                     absl::StrCat("type ", ids.token_type_ids[i], " is not one of the model's, 0 to ",
                                  config_.type_vocab_size - 1));
    }
  }
  return std::nullopt;
}

InputTokenizer::Outcome InputTokenizer::TokenizeIds(const IdsInput& ids, const TokenizeOptions& options) const {
  if (std::optional<InputError> error = CheckIds(ids)) return *std::move(error);
  const EncodeOptions limits = LimitsOf(options, MaxTokens(options));
  if (ids.add_special_tokens) {
    return Finish(tokenizer_.WrapIds(ids.input_ids, ids.token_type_ids, limits), options, "tokens.input_ids");
  }
  Encoding encoding;
  encoding.input_ids.assign(ids.input_ids.begin(), ids.input_ids.end());
  encoding.token_type_ids.assign(ids.token_type_ids.begin(), ids.token_type_ids.end());
  encoding.token_type_ids.resize(encoding.input_ids.size());
  encoding.offsets.resize(encoding.input_ids.size());
  CutIds(encoding, limits.max_tokens, limits.side);
  return Finish(std::move(encoding), options, "tokens.input_ids");
}

size_t InputTokenizer::LeadingSpecialTokens() const {
  // The first id that is none of them shows its place.
  const std::vector<int32_t> special = tokenizer_.WrapIds({}, {}, {}).input_ids;
  int32_t probe = 0;
  while (std::count(special.begin(), special.end(), probe) > 0) ++probe;
  const std::vector<int32_t> wrapped = tokenizer_.WrapIds({&probe, 1}, {}, {}).input_ids;
  return static_cast<size_t>(std::find(wrapped.begin(), wrapped.end(), probe) - wrapped.begin());
}

std::variant<std::vector<InputWindow>, InputError> InputTokenizer::TokenizeWindows(const Input& input,
                                                                                   const TokenizeOptions& options,
                                                                                   const WindowLimits& limits) const {
  TokenizeOptions uncut = options;
  uncut.truncation = Truncation::kWindow;
  Outcome outcome = TokenizeWhole(input, uncut);
  if (auto* error = std::get_if<InputError>(&outcome)) return std::move(*error);
  TokenizedItem& whole = std::get<TokenizedItem>(outcome);
  WindowLimits effective = limits;
  effective.size = limits.size > 0 ? std::min(limits.size, MaxTokens(options)) : MaxTokens(options);
  if (whole.sequence.num_tokens() <= effective.size) {
    InputWindow window{.sequence = std::move(whole.sequence)};
    window.content_tokens = window.sequence.num_tokens();  // of a single one, the weight does not matter
    if (std::holds_alternative<TextInput>(input)) window.chars = CharsOf(whole, 0, whole.offsets.size());
    return std::vector<InputWindow>{std::move(window)};
  }
  if (std::holds_alternative<PairInput>(input)) return Invalid("pair", "too long, and a pair is not cut into windows");
  const auto* ids = std::get_if<IdsInput>(&input);
  if (ids != nullptr && !ids->add_special_tokens) {
    return Invalid("tokens.input_ids", "too long, and complete ids are not cut into windows; use add_special_tokens");
  }
  return Cut(whole, effective, ids == nullptr ? "text" : "tokens.input_ids");
}

std::variant<std::vector<InputWindow>, InputError> InputTokenizer::Cut(const TokenizedItem& whole,
                                                                       const WindowLimits& limits,
                                                                       const char* field) const {
  const TokenSequence& sequence = whole.sequence;
  const int32_t special = tokenizer_.num_special_tokens(false);
  const size_t content = LeadingSpecialTokens();
  const size_t end = content + sequence.input_ids.size() - static_cast<size_t>(special);
  // A token that the prompt shares with the text is the text's.
  size_t text = content;
  while (text < end && whole.offsets[text].end > 0 && whole.offsets[text].end <= whole.prompt_chars) ++text;
  const int32_t room = limits.size - special - static_cast<int32_t>(text - content);
  if (room < 1) {
    return Invalid("window.size", absl::StrCat("a window of ", limits.size, " tokens has no room for text beside ",
                                               special, " special tokens and ", text - content, " of the prompt"));
  }
  const int32_t overlap = limits.overlap.value_or(room / 8);
  if (overlap < 0 || overlap >= room) {
    return Invalid("window.overlap",
                   absl::StrCat(overlap, " is not in 0 to ", room - 1, "; a window has ", room, " tokens of the text"));
  }
  const auto step = static_cast<size_t>(room - overlap);
  const size_t count = 1 + (end - text - static_cast<size_t>(room) + step - 1) / step;
  if (count > static_cast<size_t>(limits.max_windows)) {
    return Invalid(field, absl::StrCat("it takes ", count, " windows, more than the limit of ", limits.max_windows,
                                       " (--max-windows-per-item)"));
  }
  std::vector<InputWindow> windows;
  for (size_t i = 0; i < count; ++i) {
    const size_t first = text + i * step;
    const size_t last = std::min(first + static_cast<size_t>(room), end);
    const auto piece = [&](const std::vector<int32_t>& values) {
      std::vector<int32_t> ids(values.begin() + static_cast<std::ptrdiff_t>(content),
                               values.begin() + static_cast<std::ptrdiff_t>(text));
      ids.insert(ids.end(), values.begin() + static_cast<std::ptrdiff_t>(first),
                 values.begin() + static_cast<std::ptrdiff_t>(last));
      return ids;
    };
    Encoding wrapped = tokenizer_.WrapIds(piece(sequence.input_ids), piece(sequence.token_type_ids), {});
    InputWindow window;
    window.sequence.input_ids = std::move(wrapped.input_ids);
    window.sequence.token_type_ids = std::move(wrapped.token_type_ids);
    window.sequence.pooling_start = sequence.pooling_start;
    window.content_tokens = static_cast<int32_t>(last - first);
    window.chars = CharsOf(whole, first, last);
    windows.push_back(std::move(window));
  }
  return windows;
}

InputTokenizer::Outcome InputTokenizer::Finish(Encoding encoding, const TokenizeOptions& options,
                                               const char* field) const {
  const int32_t max_tokens = MaxTokens(options);
  const int32_t size = static_cast<int32_t>(encoding.input_ids.size());
  if (size > max_tokens && options.truncation != Truncation::kWindow) {
    return Invalid(field, absl::StrCat(size, " tokens (special tokens included) are more than the limit of ",
                                       max_tokens, "; shorten the input, or choose a truncation other than ERROR"));
  }
  TokenizedItem item;
  item.sequence.input_ids = std::move(encoding.input_ids);
  item.sequence.token_type_ids = std::move(encoding.token_type_ids);
  item.offsets = std::move(encoding.offsets);
  item.tokens_dropped = encoding.tokens_dropped;
  return item;
}

}  // namespace attendant
