#include "server/rpc/message_scan.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/status_mapping.h"
#include "server/rpc/utf8.h"

namespace attendant {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Object, its pointer in the parent and malloc's overhead. Larger than sizeof of any message that a client may send.
constexpr int64_t kMessageBytes = 160;
constexpr int64_t kStringBytes = 48;
// An unknown field is kept as a 16-byte record in a vector that may have doubled.
constexpr int64_t kUnknownFieldBytes = 32;
// A packed number is at least one byte on the wire and at most 8 in memory, in an array that may have doubled and whose
// old half is still there while it doubles.
constexpr int64_t kPackedFactor = 24;
constexpr int64_t kScalarBytes = 24;

class Scanner {
 public:
  Scanner(CodedInputStream* in, const ScanOptions& options, MessageScan* scan)
      : in_(in), options_(options), scan_(scan) {}

  // path: of this message, with its dot; "" at the top. False: scan_ says why the scan ended.
  bool Message(const Descriptor& type, const std::string& path) {
    std::map<int, int> counts;
    while (true) {
      const uint32_t tag = in_->ReadTag();
      if (tag == 0) return in_->ConsumedEntireMessage() || Fail(path, "the bytes end within a field");
      const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
      const std::string name = field == nullptr ? path : FieldPath(*field, path, &counts[field->number()]);
      if (!Field(field, WireFormatLite::GetTagWireType(tag), tag, name)) return false;
    }
  }

 private:
  static std::string FieldPath(const FieldDescriptor& field, const std::string& path, int* count) {
    // Only messages and strings can be at fault; for the many numbers of a list no path is built.
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE && field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      return path;
    }
    if (!field.is_repeated()) return absl::StrCat(path, field.name());
    return absl::StrCat(path, field.name(), "[", (*count)++, "]");
  }

  bool Field(const FieldDescriptor* field, WireFormatLite::WireType wire_type, uint32_t tag, const std::string& name) {
    if (wire_type == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) return LengthDelimited(field, name);
    if (wire_type == WireFormatLite::WIRETYPE_START_GROUP || wire_type == WireFormatLite::WIRETYPE_END_GROUP) {
      return Fail(name, "groups are not part of this contract");
    }
    scan_->memory_bytes += field == nullptr ? kUnknownFieldBytes : kScalarBytes;
    return WireFormatLite::SkipField(in_, tag) || Fail(name, "the bytes end within a field");
  }

  bool LengthDelimited(const FieldDescriptor* field, const std::string& name) {
    uint32_t length = 0;
    if (!in_->ReadVarint32(&length) || length > static_cast<uint32_t>(std::numeric_limits<int32_t>::max())) {
      return Fail(name, "its length is not a number that a message can have");
    }
    if (field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      scan_->memory_bytes += kMessageBytes;
      if (field->name() == "items" && ++scan_->items > options_.max_items) return false;
      return SubMessage(*field->message_type(), static_cast<int>(length), name);
    }
    if (field != nullptr && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      scan_->memory_bytes += kStringBytes + int64_t{length};
      if (options_.check_utf8) return String(static_cast<int>(length), name);
    } else {
      const bool packed = field != nullptr;
      scan_->memory_bytes += packed ? kPackedFactor * int64_t{length} : kUnknownFieldBytes + kStringBytes + length;
    }
    return in_->Skip(static_cast<int>(length)) || Fail(name, "it is longer than the message");
  }

  bool SubMessage(const Descriptor& type, int length, const std::string& name) {
    const int left = in_->BytesUntilLimit();
    if (left >= 0 && length > left) return Fail(name, "it is longer than the message");
    const CodedInputStream::Limit limit = in_->PushLimit(length);
    if (!Message(type, absl::StrCat(name, "."))) return false;
    // At the top nothing limits the length but the end of the bytes.
    if (in_->BytesUntilLimit() > 0) return Fail(name, "it is longer than the message");
    in_->PopLimit(limit);
    return true;
  }

  bool String(int length, const std::string& name) {
    std::string text;
    if (!in_->ReadString(&text, length)) return Fail(name, "it is longer than the message");
    const std::optional<size_t> invalid = FirstInvalidUtf8(text);
    return !invalid.has_value() || Fail(name, absl::StrCat("not valid UTF-8 at byte ", *invalid));
  }

  bool Fail(std::string path, const std::string& reason) {
    while (!path.empty() && path.back() == '.') path.pop_back();
    scan_->status = InvalidField(path.empty() ? "(message)" : path, reason);
    return false;
  }

  CodedInputStream* in_;
  const ScanOptions& options_;
  MessageScan* scan_;
};

}  // namespace

MessageScan ScanMessage(const google::protobuf::Descriptor& type, google::protobuf::io::ZeroCopyInputStream* bytes,
                        const ScanOptions& options) {
  MessageScan scan;
  scan.memory_bytes = kMessageBytes;
  CodedInputStream in(bytes);
  Scanner(&in, options, &scan).Message(type, "");
  return scan;
}

std::string FindString(int field_number, google::protobuf::io::ZeroCopyInputStream* bytes) {
  CodedInputStream in(bytes);
  const uint32_t wanted = WireFormatLite::MakeTag(field_number, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  std::string found;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag != wanted) {
      if (!WireFormatLite::SkipField(&in, tag)) break;
      continue;
    }
    std::string text;
    uint32_t length = 0;
    if (!in.ReadVarint32(&length) || !in.ReadString(&text, static_cast<int>(length))) break;
    found = std::move(text);
  }
  return FirstInvalidUtf8(found).has_value() ? "" : found;
}

}  // namespace attendant
