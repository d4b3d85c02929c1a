#include "server/http/api/json_writer.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/reflection.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <type_traits>
#include <vector>

#include "server/rpc/utf8.h"

namespace attendant {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

static_assert(std::endian::native == std::endian::little, "vectors go out as they are in memory");

constexpr char kHexDigits[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr size_t kMaxNumberBytes = 32;

// The end of what was written. Many readers take -0 for a whole number, which has no sign.
template <typename Number>
char* WriteNumber(Number number, char* begin, char* end) {
  char* const written = std::to_chars(begin, end, number).ptr;
  if constexpr (std::is_floating_point_v<Number>) {
    if (number == 0 && std::signbit(number)) return std::copy_n("-0.0", 4, begin);
  }
  return written;
}

template <typename Number>
void AppendNumber(Number number, std::string* out) {
  std::array<char, kMaxNumberBytes> digits;
  out->append(digits.data(), WriteNumber(number, digits.data(), digits.data() + digits.size()));
}

void AppendEscaped(unsigned char c, std::string* out) {
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      out->append("\\u00");
      out->push_back(kHexDigits[c >> 4]);
      out->push_back(kHexDigits[c & 15]);
  }
}

// JSON has no words for what is not finite; protobuf's mapping has strings.
template <typename Number>
void AppendFloating(Number number, std::string* out) {
  if (std::isfinite(number)) return AppendNumber(number, out);
  out->append(std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

// A field that is not repeated, or element `index` of one that is.
class FieldWriter {
 public:
  FieldWriter(const Message& message, const FieldDescriptor& field, std::string* out)
      : message_(message), reflection_(*message.GetReflection()), field_(field), out_(out) {}

  void Write(int index) const {
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return AppendNumber(Get(index, &Reflection::GetInt32, &Reflection::GetRepeatedInt32), out_);
      case FieldDescriptor::CPPTYPE_UINT32:
        return AppendNumber(Get(index, &Reflection::GetUInt32, &Reflection::GetRepeatedUInt32), out_);
      case FieldDescriptor::CPPTYPE_INT64:
        return WriteQuoted(Get(index, &Reflection::GetInt64, &Reflection::GetRepeatedInt64));
      case FieldDescriptor::CPPTYPE_UINT64:
        return WriteQuoted(Get(index, &Reflection::GetUInt64, &Reflection::GetRepeatedUInt64));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return AppendFloating(Get(index, &Reflection::GetFloat, &Reflection::GetRepeatedFloat), out_);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return AppendFloating(Get(index, &Reflection::GetDouble, &Reflection::GetRepeatedDouble), out_);
      case FieldDescriptor::CPPTYPE_BOOL:
        out_->append(Get(index, &Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false");
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        return WriteEnum(Get(index, &Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue));
      case FieldDescriptor::CPPTYPE_STRING:
        return WriteString(index);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return AppendJsonMessage(field_.is_repeated() ? reflection_.GetRepeatedMessage(message_, &field_, index)
                                                      : reflection_.GetMessage(message_, &field_),
                                 out_);
    }
  }

  void WriteRepeated() const {
    if (field_.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      const auto field = reflection_.GetRepeatedFieldRef<float>(message_, &field_);
      const std::vector<float> values(field.begin(), field.end());
      const bool finite = std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
      if (finite) return AppendJsonFloats(values, out_);
    }
    out_->push_back('[');
    const int size = reflection_.FieldSize(message_, &field_);
    for (int i = 0; i < size; ++i) {
      if (i > 0) out_->push_back(',');
      Write(i);
    }
    out_->push_back(']');
  }

  void WriteMap() const {
    out_->push_back('{');
    const int size = reflection_.FieldSize(message_, &field_);
    for (int i = 0; i < size; ++i) {
      const Message& entry = reflection_.GetRepeatedMessage(message_, &field_, i);
      if (i > 0) out_->push_back(',');
      std::string key;
      FieldWriter(entry, *field_.message_type()->map_key(), &key).Write(0);
      if (!key.empty() && key.front() == '"') {
        out_->append(key);
      } else {
        AppendJsonString(key, out_);
      }
      out_->push_back(':');
      FieldWriter(entry, *field_.message_type()->map_value(), out_).Write(0);
    }
    out_->push_back('}');
  }

 private:
  template <typename Value>
  Value Get(int index, Value (Reflection::*single)(const Message&, const FieldDescriptor*) const,
            Value (Reflection::*repeated)(const Message&, const FieldDescriptor*, int) const) const {
    return field_.is_repeated() ? (reflection_.*repeated)(message_, &field_, index)
                                : (reflection_.*single)(message_, &field_);
  }

  template <typename Number>
  void WriteQuoted(Number number) const {
    out_->push_back('"');
    AppendNumber(number, out_);
    out_->push_back('"');
  }

  void WriteEnum(int value) const {
    const auto* name = field_.enum_type()->FindValueByNumber(value);
    if (name == nullptr) return AppendNumber(value, out_);
    AppendJsonString(name->name(), out_);
  }

  void WriteString(int index) const {
    std::string scratch;
    const std::string& value = field_.is_repeated()
                                   ? reflection_.GetRepeatedStringReference(message_, &field_, index, &scratch)
                                   : reflection_.GetStringReference(message_, &field_, &scratch);
    if (field_.type() != FieldDescriptor::TYPE_BYTES) return AppendJsonString(value, out_);
    out_->push_back('"');
    AppendBase64(value, out_);
    out_->push_back('"');
  }

  const Message& message_;
  const Reflection& reflection_;
  const FieldDescriptor& field_;
  std::string* const out_;
};

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  out->push_back('"');
  size_t plain = 0;  // of what is written as it is, where it begins
  const auto flush = [&](size_t end) { out->append(text.substr(plain, end - plain)); };
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = Utf8SequenceLength(text.substr(i));
    if (length > 1 || (length == 1 && c >= ' ' && c != '"' && c != '\\')) {
      i += length;
      continue;
    }
    flush(i);
    if (length == 0) {
      out->append("\\ufffd");
    } else {
      AppendEscaped(c, out);
    }
    plain = ++i;
  }
  flush(text.size());
  out->push_back('"');
}

void AppendJsonNumber(int64_t number, std::string* out) { AppendNumber(number, out); }
void AppendJsonNumber(float number, std::string* out) { AppendFloating(number, out); }
void AppendJsonNumber(double number, std::string* out) { AppendFloating(number, out); }

void AppendJsonFloats(std::span<const float> values, std::string* out) {
  // Long enough for any float and the comma; what is not used is given back.
  constexpr size_t kFloatBytes = 17;
  const size_t before = out->size();
  out->resize(before + kFloatBytes * values.size() + 2);
  char* position = out->data() + before;
  *position++ = '[';
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) *position++ = ',';
    position = WriteNumber(values[i], position, position + kFloatBytes);
  }
  *position++ = ']';
  out->resize(static_cast<size_t>(position - out->data()));
}

void AppendBase64(std::string_view bytes, std::string* out) {
  const size_t before = out->size();
  out->resize(before + (bytes.size() + 2) / 3 * 4);
  char* position = out->data() + before;
  const auto* in = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, in += 3) {
    *position++ = kBase64[in[0] >> 2];
    *position++ = kBase64[(in[0] & 3) << 4 | in[1] >> 4];
    *position++ = kBase64[(in[1] & 15) << 2 | in[2] >> 6];
    *position++ = kBase64[in[2] & 63];
  }
  if (left == 0) return;
  const unsigned char second = left == 2 ? in[1] : 0;
  *position++ = kBase64[in[0] >> 2];
  *position++ = kBase64[(in[0] & 3) << 4 | second >> 4];
  *position++ = left == 2 ? kBase64[(second & 15) << 2] : '=';
  *position++ = '=';
}

void AppendBase64(std::span<const float> values, std::string* out) {
  AppendBase64(std::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()), out);
}

void AppendJsonMessage(const Message& message, std::string* out) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  out->push_back('{');
  bool first = true;
  for (const FieldDescriptor* field : fields) {
    if (!first) out->push_back(',');
    first = false;
    AppendJsonString(field->json_name(), out);
    out->push_back(':');
    AppendJsonField(message, *field, out);
  }
  out->push_back('}');
}

void AppendJsonField(const Message& message, const FieldDescriptor& field, std::string* out) {
  const FieldWriter writer(message, field, out);
  if (field.is_map()) return writer.WriteMap();
  if (field.is_repeated()) return writer.WriteRepeated();
  writer.Write(0);
}

}  // namespace attendant
