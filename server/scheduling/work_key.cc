#include "server/scheduling/work_key.h"

#include <cstdint>
#include <span>
#include <type_traits>

#include "server/scheduling/model_runtime.h"

namespace attendant {
namespace {

template <typename Number>
void Append(Number number, WorkKey* key) {
  static_assert(std::is_arithmetic_v<Number> || std::is_enum_v<Number>);
  key->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// With their number in front, so that no list runs into the next.
void AppendList(std::span<const int32_t> numbers, WorkKey* key) {
  Append(numbers.size(), key);
  key->append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
}

void AppendSpec(const EmbedSpec& spec, WorkKey* key) {
  Append(spec.output, key);
  Append(spec.normalize, key);
  Append(spec.dimensions, key);
  Append(spec.pooling.size(), key);
  for (const PoolingMode mode : spec.pooling) Append(mode, key);
  Append(spec.spans.size(), key);
  for (const TokenRange& span : spec.spans) {
    Append(span.begin, key);
    Append(span.end, key);
  }
}

}  // namespace

std::optional<WorkKey> KeyOf(const ModelRuntime& runtime, const WorkItem& item) {
  if (!item.embed.has_value() || item.attention.has_value()) return std::nullopt;
  const TokenSequence& sequence = item.sequence;
  WorkKey key;
  key.reserve(128 + 8 * sequence.input_ids.size());
  Append(runtime.id(), &key);
  AppendList(sequence.input_ids, &key);
  AppendList(sequence.token_type_ids, &key);
  Append(sequence.pooling_start, &key);
  AppendSpec(*item.embed, &key);
  Append(item.additional.size(), &key);
  for (const EmbedSpec& spec : item.additional) AppendSpec(spec, &key);
  return key;
}

}  // namespace attendant
