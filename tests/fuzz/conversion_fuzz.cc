// Any bytes as a request message: the scan before parsing agrees with the parser and bounds its memory, and what was
// parsed converts to the engine's data or to an error that names its field.
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "attendant/v1/admin.pb.h"
#include "attendant/v1/embedding.pb.h"
#include "server/rpc/conversion.h"
#include "server/rpc/embed_settings.h"
#include "server/rpc/message_scan.h"
#include "tests/fuzz/require.h"
#include "tests/server/rpc/fake_model.h"

namespace {

using namespace attendant;
using namespace attendant::fuzz;

template <typename Message>
bool ScanAndParse(std::string_view bytes, Message* message) {
  google::protobuf::io::ArrayInputStream stream(bytes.data(), static_cast<int>(bytes.size()));
  const MessageScan scan = ScanMessage(*Message::descriptor(), &stream,
                                       {.max_items = std::numeric_limits<int64_t>::max(), .check_utf8 = true});
  const bool parsed = message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (!scan.status.ok()) {
    Require(!scan.status.message().empty(), "what does not parse is explained");
    // The parser skips groups, which no message here has; the scan is stricter.
    const bool group = scan.status.message().find("group") != absl::string_view::npos;
    Require(!parsed || group, "the scan refuses nothing that parses", scan.status.ToString());
    return false;
  }
  // The scan does not look into lists of numbers; the parser does, and has the last word.
  if (!parsed) return false;
  const auto used = static_cast<int64_t>(message->SpaceUsedLong()) - static_cast<int64_t>(sizeof(Message));
  Require(scan.memory_bytes >= used, "the scan bounds the message's memory", std::to_string(used));
  return true;
}

void CheckError(const absl::Status& status) {
  Require(absl::IsInvalidArgument(status) || absl::IsNotFound(status), "a conversion fails for a caller's mistake only",
          status.ToString());
  Require(!status.message().empty(), "a failure is put into words");
}

void CheckItem(const v1::Item& item, const RequestLimits& limits) {
  const auto input = ToInput(item, limits);
  if (const auto* error = std::get_if<InputError>(&input)) CheckError(ToItemError(*error, "items[0]", "options."));
}

void CheckEmbed(const v1::EmbedRequest& request, const ServedModel& model, const RequestLimits& limits) {
  const auto settings = ToEmbedSettings(request.options(), model, limits);
  if (settings.ok()) {
    Require(OutputFloats(*settings, model, {.num_tokens = 3, .num_spans = 2}) > 0, "vectors have a size");
  } else {
    CheckError(settings.status());
  }
  for (const v1::Item& item : request.items()) CheckItem(item, limits);
}

void CheckAttention(const v1::GetAttentionRequest& request, const ModelInfo& model, const RequestLimits& limits) {
  CheckItem(request.item(), limits);
  if (const auto options = ToTokenizeOptions(request, limits); !options.ok()) CheckError(options.status());
  if (const auto rows = CheckQueryRows(request, 5); !rows.ok()) CheckError(rows);
  const auto spec = ToAttentionSpec(request, model);
  if (!spec.ok()) return CheckError(spec.status());
  for (const int32_t layer : spec->layers) Require(layer >= 0 && layer < model.num_layers, "layers exist");
  for (const int32_t head : spec->heads) Require(head >= 0 && head < model.num_heads, "heads exist");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const testing::FakeModel model;
  if (size < 1) return 0;
  const RequestLimits limits{.max_items_per_request = 16, .max_text_bytes = 1024, .max_prompt_bytes = 64};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  v1::EmbedRequest embed;
  v1::EmbedStreamRequest stream;
  v1::GetAttentionRequest attention;
  v1::TokenizeRequest tokenize;
  v1::GetModelRequest get_model;
  v1::LoadModelRequest load;
  v1::SwapModelRequest swap;
  switch (data[0] % 7) {
    case 0:
      if (ScanAndParse(bytes, &embed)) CheckEmbed(embed, model, limits);
      break;
    case 1:
      if (ScanAndParse(bytes, &stream)) CheckEmbed(stream.request(), model, limits);
      break;
    case 2:
      if (ScanAndParse(bytes, &attention)) CheckAttention(attention, model.info(), limits);
      break;
    case 3:
      if (!ScanAndParse(bytes, &tokenize)) break;
      if (const auto options = ToTokenizeOptions(tokenize, limits); !options.ok()) CheckError(options.status());
      for (const v1::Item& item : tokenize.items()) CheckItem(item, limits);
      break;
    case 4:
      ScanAndParse(bytes, &get_model);
      break;
    case 5:
      ScanAndParse(bytes, &load);
      break;
    default:
      ScanAndParse(bytes, &swap);
  }
  return 0;
}
