#include "server/rpc/embed_settings.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/rpc/conversion.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

absl::Status UnknownValue(std::string_view field, int value, const char* type) {
  return InvalidField(field, absl::StrCat(value, " is not a value of ", type));
}

// Proto3 enums are open: any number may arrive.
std::optional<PoolingMode> ToPoolingMode(int value) {
  switch (value) {
    case v1::POOLING_MEAN:
      return PoolingMode::kMean;
    case v1::POOLING_CLS:
      return PoolingMode::kCls;
    case v1::POOLING_MAX:
      return PoolingMode::kMax;
    case v1::POOLING_MEAN_SQRT_LEN:
      return PoolingMode::kMeanSqrtLen;
    case v1::POOLING_WEIGHTED_MEAN:
      return PoolingMode::kWeightedMean;
    case v1::POOLING_LAST_TOKEN:
      return PoolingMode::kLastToken;
    default:
      return std::nullopt;
  }
}

absl::Status ReadPooling(const v1::EmbedOptions& options, std::vector<PoolingMode>* pooling) {
  for (int i = 0; i < options.pooling_size(); ++i) {
    const std::string field = absl::StrCat("options.pooling[", i, "]");
    const int value = options.pooling(i);
    if (value == v1::POOLING_UNSPECIFIED) {
      return InvalidField(field, "POOLING_UNSPECIFIED in the list; leave the list empty for the model's own pooling");
    }
    const std::optional<PoolingMode> mode = ToPoolingMode(value);
    if (!mode.has_value()) return UnknownValue(field, value, "Pooling");
    if (std::count(pooling->begin(), pooling->end(), *mode) > 0) return InvalidField(field, "given twice");
    pooling->push_back(*mode);
  }
  std::sort(pooling->begin(), pooling->end());
  return absl::OkStatus();
}

absl::StatusOr<OutputKind> ToOutputKind(int value, const std::string& field) {
  switch (value) {
    case v1::OUTPUT_POOLED:
      return OutputKind::kPooled;
    case v1::OUTPUT_TOKENS:
      return OutputKind::kTokens;
    case v1::OUTPUT_SPANS:
      return OutputKind::kSpans;
    default:
      return UnknownValue(field, value, "Output");
  }
}

// All outputs, `output` first, none twice.
absl::StatusOr<std::vector<OutputKind>> ReadOutputs(const v1::EmbedOptions& options) {
  std::vector<OutputKind> outputs = {OutputKind::kPooled};
  if (options.output() != v1::OUTPUT_UNSPECIFIED) {
    const auto output = ToOutputKind(options.output(), "options.output");
    if (!output.ok()) return output.status();
    outputs = {*output};
  }
  for (int i = 0; i < options.additional_outputs_size(); ++i) {
    const std::string field = absl::StrCat("options.additional_outputs[", i, "]");
    const auto output = ToOutputKind(options.additional_outputs(i), field);
    if (!output.ok()) return output.status();
    if (std::count(outputs.begin(), outputs.end(), *output) > 0) {
      return InvalidField(field, "this output is asked for twice, here or in `output`");
    }
    outputs.push_back(*output);
  }
  return outputs;
}

EmbedSpec SpecOf(OutputKind output, const v1::EmbedOptions& options, const ModelInfo& model) {
  EmbedSpec spec{.output = output};
  if (output != OutputKind::kTokens) {
    spec.normalize = options.has_normalize() ? options.normalize() : model.normalize;
    spec.dimensions = options.dimensions();
  }
  return spec;
}

absl::Status CheckDimensions(const v1::EmbedOptions& options, const ServedModel& model, const EmbedSpec& pooled,
                             const RequestLimits& limits, bool* untrained) {
  const int32_t wanted = options.dimensions();
  EmbedSpec uncut = pooled;
  uncut.dimensions = 0;
  const int32_t whole = model.OutputDimension(uncut);
  if (wanted < 0 || wanted > whole) {
    return InvalidField("options.dimensions",
                        absl::StrCat(wanted, " is not between 1 and ", whole, ", what the vectors have"));
  }
  if (wanted == 0 || wanted == whole) return absl::OkStatus();
  const ModelInfo& info = model.info();
  const std::vector<int32_t>& sizes = info.matryoshka_dimensions;
  const bool trained = info.matryoshka && pooled.pooling.empty() &&
                       (sizes.empty() || std::binary_search(sizes.begin(), sizes.end(), wanted));
  *untrained = *untrained || !trained;
  if (trained || options.allow_untrained_dimensions() || limits.allow_untrained_dimensions) return absl::OkStatus();
  const std::string trained_for = !info.matryoshka          ? "the model was not trained for shorter vectors"
                                  : !pooled.pooling.empty() ? "with another pooling than its own the model was not"
                                                            : "the model was trained for " + absl::StrJoin(sizes, ", ");
  return InvalidField("options.dimensions", absl::StrCat(trained_for, ", so vectors cut to ", wanted,
                                                         " may be of little use; if you want them all the same, set ",
                                                         "allow_untrained_dimensions (or, for all callers, ",
                                                         "--allow-untrained-dimensions)"));
}

absl::StatusOr<std::optional<VectorEncoding>> ToEncoding(int value) {
  switch (value) {
    case v1::ENCODING_UNSPECIFIED:
      return std::nullopt;
    case v1::ENCODING_FLOAT32:
      return VectorEncoding::kFloat32;
    case v1::ENCODING_FLOAT16:
      return VectorEncoding::kFloat16;
    case v1::ENCODING_INT8:
      return VectorEncoding::kInt8;
    case v1::ENCODING_UINT8:
      return VectorEncoding::kUint8;
    case v1::ENCODING_BINARY:
      return VectorEncoding::kBinary;
    case v1::ENCODING_UBINARY:
      return VectorEncoding::kUbinary;
    default:
      return UnknownValue("options.encoding", value, "Encoding");
  }
}

v1::Encoding ToProto(VectorEncoding encoding) {
  switch (encoding) {
    case VectorEncoding::kFloat32:
      return v1::ENCODING_FLOAT32;
    case VectorEncoding::kFloat16:
      return v1::ENCODING_FLOAT16;
    case VectorEncoding::kInt8:
      return v1::ENCODING_INT8;
    case VectorEncoding::kUint8:
      return v1::ENCODING_UINT8;
    case VectorEncoding::kBinary:
      return v1::ENCODING_BINARY;
    case VectorEncoding::kUbinary:
      return v1::ENCODING_UBINARY;
  }
  return v1::ENCODING_UNSPECIFIED;
}

absl::StatusOr<QuantizationRanges> ReadRanges(const v1::QuantizationRanges& ranges, int32_t dimension) {
  const int minimum = ranges.minimum_size();
  const int maximum = ranges.maximum_size();
  if (minimum != dimension || maximum != dimension) {
    return InvalidField("options.ranges", absl::StrCat("there are ", minimum, " minima and ", maximum,
                                                       " maxima for vectors of ", dimension, " values; one each"));
  }
  for (int i = 0; i < dimension; ++i) {
    const float low = ranges.minimum(i);
    const float high = ranges.maximum(i);
    // The width must be a number, too.
    if (std::isfinite(low) && std::isfinite(high) && low <= high && std::isfinite(high - low)) continue;
    return InvalidField(absl::StrCat("options.ranges.minimum[", i, "]"),
                        absl::StrCat(low, " to ", high, " is not a range of numbers"));
  }
  return QuantizationRanges{{ranges.minimum().begin(), ranges.minimum().end()},
                            {ranges.maximum().begin(), ranges.maximum().end()}};
}

absl::Status ReadFormat(const v1::EmbedOptions& options, const ServedModel& model, EmbedSettings* settings) {
  VectorFormat& format = settings->format;
  const auto encoding = ToEncoding(options.encoding());
  if (!encoding.ok()) return encoding.status();
  format.encoding = *encoding;
  if (!format.encoding.has_value() || !IsScaled(*format.encoding)) {
    if (!options.has_ranges()) return absl::OkStatus();
    return InvalidField("options.ranges", "only ENCODING_INT8 and ENCODING_UINT8 have ranges");
  }
  if (!settings->additional.empty()) {
    return InvalidField("options.additional_outputs",
                        "each output has ranges of its own; ask for one output with ENCODING_INT8 or ENCODING_UINT8");
  }
  if (!options.has_ranges()) {
    auto ranges = model.Ranges(settings->spec);
    const absl::string_view why = ranges.status().message();
    if (!ranges.ok()) return InvalidField("options.ranges", std::string_view(why.data(), why.size()));
    format.ranges = *std::move(ranges);
    format.ranges_are_the_models = true;
    return absl::OkStatus();
  }
  auto ranges = ReadRanges(options.ranges(), model.OutputDimension(settings->spec));
  if (!ranges.ok()) return ranges.status();
  format.ranges = *std::move(ranges);
  return absl::OkStatus();
}

absl::Status ReadWindows(const v1::EmbedOptions& options, const RequestLimits& limits, EmbedSettings* settings) {
  const v1::WindowOptions& window = options.window();
  if (settings->tokenize.truncation != Truncation::kWindow) {
    if (!options.has_window()) return absl::OkStatus();
    return InvalidField("options.window", "only TRUNCATION_WINDOW has windows");
  }
  if (settings->spec.output != OutputKind::kPooled || !settings->additional.empty() ||
      settings->attention.has_value()) {
    return InvalidField("options.truncation", "TRUNCATION_WINDOW is for OUTPUT_POOLED alone");
  }
  if (window.size() < 0) return InvalidField("options.window.size", absl::StrCat(window.size(), " is less than 0"));
  settings->windows = WindowLimits{.size = window.size(), .overlap = {}, .max_windows = limits.max_windows_per_item};
  if (window.has_overlap()) settings->windows->overlap = window.overlap();
  settings->each_window = window.each();
  return absl::OkStatus();
}

}  // namespace

bool NeedsMeasuring(const v1::EmbedOptions& options, const ServedModel& model) {
  const bool is_scaled = options.encoding() == v1::ENCODING_INT8 || options.encoding() == v1::ENCODING_UINT8;
  return is_scaled && !options.has_ranges() && !model.RangesAreKnown();
}

absl::StatusOr<EmbedSettings> ToEmbedSettings(const v1::EmbedOptions& options, const ServedModel& model,
                                              const RequestLimits& limits) {
  EmbedSettings settings;
  absl::StatusOr<TokenizeOptions> tokenize = ToTokenizeOptions(options, limits);
  if (!tokenize.ok()) return tokenize.status();
  settings.tokenize = *std::move(tokenize);
  std::vector<PoolingMode> pooling;
  if (absl::Status status = ReadPooling(options, &pooling); !status.ok()) return status;
  const auto outputs = ReadOutputs(options);
  if (!outputs.ok()) return outputs.status();
  const auto has = [&outputs](OutputKind output) { return std::count(outputs->begin(), outputs->end(), output) > 0; };
  if (!has(OutputKind::kPooled) && !pooling.empty()) {
    return InvalidField("options.pooling", "contradicts outputs that are not pooled");
  }
  if (!has(OutputKind::kPooled) && !has(OutputKind::kSpans) && options.dimensions() != 0) {
    return InvalidField("options.dimensions", "contradicts OUTPUT_TOKENS, whose vectors are not cut");
  }
  for (const OutputKind output : *outputs) {
    EmbedSpec spec = SpecOf(output, options, model.info());
    if (output == OutputKind::kPooled) spec.pooling = pooling;
    if (output != OutputKind::kTokens) {
      absl::Status status = CheckDimensions(options, model, spec, limits, &settings.untrained_dimensions);
      if (!status.ok()) return status;
    }
    settings.additional.push_back(std::move(spec));
  }
  settings.spec = std::move(settings.additional.front());
  settings.additional.erase(settings.additional.begin());
  if (settings.spec.output == OutputKind::kTokens) settings.spec.normalize = options.normalize();
  if (options.has_attention()) {
    auto attention = ToAttentionSpec(options.attention(), model.info(), "options.attention.");
    if (!attention.ok()) return attention.status();
    settings.attention = *std::move(attention);
  }
  if (absl::Status status = ReadWindows(options, limits, &settings); !status.ok()) return status;
  if (absl::Status status = ReadFormat(options, model, &settings); !status.ok()) return status;
  return settings;
}

bool Wants(const EmbedSettings& settings, OutputKind output) {
  const auto is = [output](const EmbedSpec& spec) { return spec.output == output; };
  return is(settings.spec) || std::any_of(settings.additional.begin(), settings.additional.end(), is);
}

int64_t OutputFloats(const EmbedSettings& settings, const ServedModel& model, const ItemShape& shape) {
  const auto floats = [&](const EmbedSpec& spec) {
    const int64_t rows = spec.output == OutputKind::kTokens  ? shape.num_tokens
                         : spec.output == OutputKind::kSpans ? shape.num_spans
                                                             : std::max(1, shape.num_windows);
    return rows * model.OutputDimension(spec);
  };
  int64_t sum = floats(settings.spec);
  for (const EmbedSpec& spec : settings.additional) sum += floats(spec);
  return sum;
}

void SetEmbedding(const std::vector<float>& values, std::optional<int32_t> rows, const VectorFormat& format,
                  v1::Embedding* embedding) {
  const auto size = static_cast<int32_t>(values.size());
  const int32_t dimension = size / std::max(1, rows.value_or(1));
  if (rows.has_value()) embedding->add_shape(*rows);
  embedding->add_shape(dimension);
  if (format.encoding.has_value()) {
    embedding->set_encoding(ToProto(*format.encoding));
    EncodeVectors(values, static_cast<size_t>(dimension), *format.encoding, format.ranges, embedding->mutable_packed());
    return;
  }
  embedding->mutable_values()->Resize(size, 0.0f);
  std::memcpy(embedding->mutable_values()->mutable_data(), values.data(), values.size() * sizeof(float));
}

}  // namespace attendant
