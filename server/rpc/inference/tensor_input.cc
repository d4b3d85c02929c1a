#include "server/rpc/inference/tensor_input.h"

#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

// Little-endian, as the wire and every CPU that this server is built for.
template <typename Integer>
Integer ReadInteger(const char* bytes) {
  Integer value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

}  // namespace

std::string TensorInput::Path(const char* field) const { return absl::StrCat("inputs[", index_, "].", field); }

absl::Status TensorInput::CheckRows(int64_t rows, const RequestLimits& limits) const {
  if (rows >= 1 && rows <= limits.max_items_per_request) return absl::OkStatus();
  return InvalidField(Path("shape"), absl::StrCat(rows, " rows are not between 1 and the limit of ",
                                                  limits.max_items_per_request, " (--max-items-per-request)"));
}

absl::Status TensorInput::WrongCount(int64_t wanted, int64_t got, const char* list) const {
  return InvalidField(Path(list), absl::StrCat("the shape [", absl::StrJoin(tensor_.shape(), ", "), "] of ",
                                               Quoted(name()), " has ", wanted, " elements, but ", got, " came"));
}

absl::StatusOr<std::vector<std::string_view>> TensorInput::ReadTexts(const RequestLimits& limits) const {
  if (tensor_.datatype() != "BYTES") {
    return InvalidField(Path("datatype"),
                        absl::StrCat(Quoted(name()), " takes BYTES, not ", Quoted(tensor_.datatype())));
  }
  const auto& shape = tensor_.shape();
  if (shape.size() != 1 && !(shape.size() == 2 && shape[1] == 1)) {
    return InvalidField(Path("shape"),
                        absl::StrCat("[", absl::StrJoin(shape, ", "), "] is neither [rows] nor [rows, 1]"));
  }
  if (absl::Status status = CheckRows(shape[0], limits); !status.ok()) return status;
  std::vector<std::string_view> texts;
  if (is_raw()) {
    if (absl::Status status = ReadRawTexts(shape[0], &texts); !status.ok()) return status;
    return texts;
  }
  const auto& contents = tensor_.contents().bytes_contents();
  if (contents.size() != shape[0]) return WrongCount(shape[0], contents.size(), "contents.bytes_contents");
  texts.assign(contents.begin(), contents.end());
  return texts;
}

absl::Status TensorInput::ReadRawTexts(int64_t rows, std::vector<std::string_view>* texts) const {
  std::string_view rest = raw();
  const std::string field = absl::StrCat("raw_input_contents[", index_, "]");
  constexpr size_t kLengthBytes = 4;
  for (int64_t row = 0; row < rows; ++row) {
    const size_t length = rest.size() < kLengthBytes ? 0 : ReadInteger<uint32_t>(rest.data());
    if (rest.size() < kLengthBytes || rest.size() - kLengthBytes < length) {
      return InvalidField(field, absl::StrCat("ends within row ", row, " of ", rows,
                                              "; a row is its length in 4 bytes, little-endian, then its bytes"));
    }
    texts->push_back(rest.substr(kLengthBytes, length));
    rest.remove_prefix(kLengthBytes + length);
  }
  if (rest.empty()) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("has ", rest.size(), " bytes after its last row"));
}

absl::StatusOr<TensorInput::Matrix> TensorInput::ReadMatrix(const RequestLimits& limits) const {
  const bool wide = tensor_.datatype() == "INT64";
  if (!wide && tensor_.datatype() != "INT32") {
    return InvalidField(Path("datatype"),
                        absl::StrCat(Quoted(name()), " takes INT64 or INT32, not ", Quoted(tensor_.datatype())));
  }
  const auto& shape = tensor_.shape();
  if (shape.size() != 2) {
    return InvalidField(Path("shape"), absl::StrCat("[", absl::StrJoin(shape, ", "), "] is not [rows, tokens]"));
  }
  if (absl::Status status = CheckRows(shape[0], limits); !status.ok()) return status;
  if (shape[1] < 1 || shape[1] > std::numeric_limits<int32_t>::max()) {
    return InvalidField(Path("shape"), absl::StrCat(shape[1], " tokens in a row"));
  }
  Matrix matrix{.rows = shape[0], .columns = shape[1], .values = {}};
  const int64_t count = matrix.rows * matrix.columns;
  if (is_raw()) {
    absl::Status status = ReadRawValues(wide ? sizeof(int64_t) : sizeof(int32_t), count, &matrix.values);
    if (!status.ok()) return status;
    return matrix;
  }
  const auto& contents = tensor_.contents();
  const int64_t got = wide ? contents.int64_contents_size() : contents.int_contents_size();
  if (got != count) return WrongCount(count, got, wide ? "contents.int64_contents" : "contents.int_contents");
  if (wide) {
    matrix.values.assign(contents.int64_contents().begin(), contents.int64_contents().end());
  } else {
    matrix.values.assign(contents.int_contents().begin(), contents.int_contents().end());
  }
  return matrix;
}

absl::Status TensorInput::ReadRawValues(size_t width, int64_t count, std::vector<int64_t>* values) const {
  const auto size = static_cast<int64_t>(raw().size());
  if (size != count * static_cast<int64_t>(width)) {
    return InvalidField(absl::StrCat("raw_input_contents[", index_, "]"),
                        absl::StrCat("the shape [", absl::StrJoin(tensor_.shape(), ", "), "] of ", tensor_.datatype(),
                                     " takes ", count * static_cast<int64_t>(width), " bytes, but ", size, " came"));
  }
  values->reserve(static_cast<size_t>(count));
  for (const char* bytes = raw().data(); count > 0; --count, bytes += width) {
    values->push_back(width == sizeof(int64_t) ? ReadInteger<int64_t>(bytes) : ReadInteger<int32_t>(bytes));
  }
  return absl::OkStatus();
}

}  // namespace attendant
