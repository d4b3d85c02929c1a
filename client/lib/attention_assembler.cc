#include "client/lib/attention_assembler.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace attendant::client {

absl::Status AttentionAssembler::SetHeader(AttentionMap map) {
  if (has_header_) return absl::InternalError("the server sent a second attention header");
  const std::string shape = absl::StrCat("[", absl::StrJoin(map.shape, ", "), "]");
  if (map.shape.size() != 4)
    return absl::InternalError(absl::StrCat("attention has shape ", shape, ", not 4 dimensions"));
  const auto count = [](const auto& list) { return static_cast<int64_t>(list.size()); };
  const bool reduced = map.shape[1] == 1;
  if (map.shape[0] != count(map.layers) || (!reduced && map.shape[1] != count(map.heads)) ||
      map.shape[2] != count(map.query_rows) || map.shape[3] != count(map.tokens)) {
    return absl::InternalError(absl::StrCat("attention has shape ", shape, " but ", map.layers.size(), " layers, ",
                                            map.heads.size(), " heads, ", map.query_rows.size(), " query rows and ",
                                            map.tokens.size(), " tokens"));
  }
  // Every factor is a count of things that were in the message, so a product of two cannot overflow; check step by
  // step.
  expected_ = 1;
  for (const int64_t size : map.shape) {
    expected_ *= size;
    if (expected_ > max_bytes_ / static_cast<int64_t>(sizeof(float))) {
      return absl::ResourceExhaustedError(absl::StrCat("attention of shape ", shape,
                                                       " is larger than this client's limit of ", max_bytes_,
                                                       " bytes (max_attention_bytes); ask for fewer layers or"
                                                       " heads, or reduce over heads"));
    }
  }
  map_ = std::move(map);
  map_.values.clear();
  has_header_ = true;
  return absl::OkStatus();
}

absl::Status AttentionAssembler::Add(int64_t offset, std::span<const float> values) {
  if (values.empty()) return absl::OkStatus();
  if (!has_header_) return absl::InternalError("the server sent attention values before the header");
  const auto have = static_cast<int64_t>(map_.values.size());
  if (offset != have) {
    return absl::InternalError(
        absl::StrCat("the server sent attention values at offset ", offset, " instead of ", have));
  }
  if (static_cast<int64_t>(values.size()) > expected_ - have) {
    return absl::InternalError(
        absl::StrCat("the server sent more than the announced ", expected_, " attention values"));
  }
  map_.values.reserve(static_cast<size_t>(expected_));
  map_.values.insert(map_.values.end(), values.begin(), values.end());
  return absl::OkStatus();
}

absl::StatusOr<AttentionMap> AttentionAssembler::Finish() {
  if (!has_header_) return absl::InternalError("the server sent no attention header");
  if (static_cast<int64_t>(map_.values.size()) != expected_) {
    return absl::InternalError(
        absl::StrCat("the server sent ", map_.values.size(), " of ", expected_, " attention values"));
  }
  return std::move(map_);
}

}  // namespace attendant::client
