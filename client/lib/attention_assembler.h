// Puts the chunks of an attention answer together and checks that they are what the header announced.
//
// It is not: a transport. It trusts nothing: sizes are bounded before memory is taken, gaps and overlaps are errors.
// Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_LIB_ATTENTION_ASSEMBLER_H_
#define ATTENDANT_CLIENT_LIB_ATTENTION_ASSEMBLER_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/lib/types.h"

namespace attendant::client {

class AttentionAssembler {
 public:
  explicit AttentionAssembler(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // Once, before any values. The map's values are still empty.
  absl::Status SetHeader(AttentionMap map);
  // offset: of values[0] in the flattened tensor; chunks come in order without gaps.
  absl::Status Add(int64_t offset, std::span<const float> values);
  // After the last chunk.
  absl::StatusOr<AttentionMap> Finish();

 private:
  int64_t max_bytes_;
  bool has_header_ = false;
  int64_t expected_ = 0;
  AttentionMap map_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_CLIENT_LIB_ATTENTION_ASSEMBLER_H_
