// JSON and base64 written straight into a body: strings, numbers in the shortest form that reads back as the same
// number, vectors, messages.
//
// Thread-safety: free functions.
#ifndef ATTENDANT_SERVER_HTTP_API_JSON_WRITER_H_
#define ATTENDANT_SERVER_HTTP_API_JSON_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace google::protobuf {
class FieldDescriptor;
class Message;
}  // namespace google::protobuf

namespace attendant {

// With the quotes. Bytes that are not UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);
void AppendJsonNumber(int64_t number, std::string* out);
// What is not finite becomes "NaN", "Infinity" or "-Infinity", as protobuf's mapping has it.
void AppendJsonNumber(float number, std::string* out);
void AppendJsonNumber(double number, std::string* out);
// [0.1,0.2]; all finite.
void AppendJsonFloats(std::span<const float> values, std::string* out);

// Without quotes. Pieces whose sizes are multiples of 3 may be put together.
void AppendBase64(std::string_view bytes, std::string* out);
// Of the values as little-endian float32, as they are in memory.
void AppendBase64(std::span<const float> values, std::string* out);

// As protobuf's own mapping to JSON: lowerCamelCase names, 64-bit integers as strings, enums by name, fields with their
// default value left out. (Its own writer takes half a microsecond for each float of a vector.)
void AppendJsonMessage(const google::protobuf::Message& message, std::string* out);
// The value of one of its fields.
void AppendJsonField(const google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field,
                     std::string* out);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_JSON_WRITER_H_
