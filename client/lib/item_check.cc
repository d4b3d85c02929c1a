#include "client/lib/item_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/lib/utf8.h"

namespace attendant::client {
namespace {

// Tags and lengths of an item, its text or pair and its place in the request: at most 6 bytes for each of four
// nestings.
constexpr int64_t kFramingBytes = 24;
// A negative int32 takes ten bytes as a varint; vocabulary ids take at most five.
constexpr int64_t kVarintBytes = 10;
// Room in a message for everything that is not an item: ids, options, prompt names.
constexpr int64_t kEnvelopeBytes = 4096;

absl::Status CheckText(const std::string& text, const char* what) {
  const size_t valid = ValidUtf8Prefix(text);
  if (valid == text.size()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " is not valid UTF-8 at byte ", valid));
}

}  // namespace

int64_t WireBytes(const Item& item) {
  if (const auto* text = std::get_if<std::string>(&item)) return static_cast<int64_t>(text->size()) + kFramingBytes;
  if (const auto* pair = std::get_if<TextPair>(&item)) {
    return static_cast<int64_t>(pair->first.size() + pair->second.size()) + kFramingBytes;
  }
  const auto& tokens = std::get<TokenIds>(item);
  return static_cast<int64_t>(tokens.input_ids.size() + tokens.token_type_ids.size()) * kVarintBytes + kFramingBytes;
}

int64_t MaxTokens(const Item& item) {
  if (const auto* text = std::get_if<std::string>(&item)) return static_cast<int64_t>(text->size()) + 2;
  if (const auto* pair = std::get_if<TextPair>(&item)) {
    return static_cast<int64_t>(pair->first.size() + pair->second.size()) + 4;
  }
  return static_cast<int64_t>(std::get<TokenIds>(item).input_ids.size()) + 2;
}

absl::Status CheckItem(const Item& item, int64_t max_message_bytes) {
  absl::Status status;
  if (const auto* text = std::get_if<std::string>(&item)) {
    status = CheckText(*text, "text");
  } else if (const auto* pair = std::get_if<TextPair>(&item)) {
    status = CheckText(pair->first, "pair.first");
    if (status.ok()) status = CheckText(pair->second, "pair.second");
  }
  if (!status.ok()) return status;
  const int64_t bytes = WireBytes(item);
  if (max_message_bytes > 0 && bytes + kEnvelopeBytes > max_message_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the item takes up to ", bytes,
                                                   " bytes in a message, more than fits in ", max_message_bytes,
                                                   " (the smaller of the server's and this client's"
                                                   " max_message_bytes)"));
  }
  return absl::OkStatus();
}

void RenumberItem(int64_t from, int64_t to, absl::Status* status, std::string* field) {
  if (from == to || status->ok()) return;
  const std::string old_name = absl::StrCat("items[", from, "]");
  const std::string new_name = absl::StrCat("items[", to, "]");
  absl::StrReplaceAll({{old_name, new_name}}, field);
  const std::string message(status->message());
  *status = absl::Status(status->code(), absl::StrReplaceAll(message, {{old_name, new_name}}));
}

}  // namespace attendant::client
