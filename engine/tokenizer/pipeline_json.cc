#include "engine/tokenizer/pipeline_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "engine/tokenizer/tokenizer_json.h"

namespace attendant {
namespace {

using Kind = TemplatePiece::Kind;

// More would only cost time at each text; real tokenizers have up to five.
constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxTemplateTokens = 64;
constexpr int64_t kMaxTypeId = 1 << 16;

void ReadTemplate(const JsonNode& node, const JsonNode& special_tokens, std::vector<TemplatePiece>& pieces) {
  pieces.clear();
  for (size_t i = 0; i < node.Size() && pieces.size() <= kMaxTemplateTokens; ++i) {
    const JsonNode element = node.Element(i);
    const JsonNode sequence = element.Get("Sequence");
    const JsonNode body = sequence.Exists() ? sequence : element.Get("SpecialToken");
    TemplatePiece piece;
    const std::string id = body.Get("id").String();
    piece.type_id = static_cast<int32_t>(body.Get("type_id").Integer(0, kMaxTypeId));
    if (sequence.Exists()) {
      if (id != "A" && id != "B") body.Get("id").Fail("is neither \"A\" nor \"B\"");
      piece.kind = id == "A" ? Kind::kFirst : Kind::kSecond;
    } else {
      piece.kind = Kind::kSpecial;
      const JsonNode ids = special_tokens.Get(id.c_str()).Get("ids");
      for (size_t k = 0; k < ids.Size() && piece.ids.size() <= kMaxTemplateTokens; ++k) {
        piece.ids.push_back(static_cast<int32_t>(ids.Element(k).Integer(0, kMaxTokenId)));
      }
    }
    pieces.push_back(std::move(piece));
  }
  size_t tokens = 0;
  int first = 0, second = 0;
  for (const TemplatePiece& piece : pieces) {
    tokens += piece.ids.size();
    first += piece.kind == Kind::kFirst;
    second += piece.kind == Kind::kSecond;
  }
  const int wanted_second = node.path().ends_with("pair") ? 1 : 0;
  if (first != 1 || second != wanted_second) {
    node.Fail(wanted_second == 1 ? "must hold the sequences A and B once each"
                                 : "must hold the sequence A once and no B");
  }
  if (tokens > kMaxTemplateTokens || pieces.size() > kMaxTemplateTokens) {
    node.Fail(absl::StrCat("has more than ", kMaxTemplateTokens, " tokens"));
  }
}

int32_t ReadTokenAndId(const JsonNode& node) {
  if (node.Size() != 2) {
    node.Fail("must be a token and its id");
    return 0;
  }
  node.Element(0).String();
  return static_cast<int32_t>(node.Element(1).Integer(0, kMaxTokenId));
}

// <s> A </s> and <s> A </s> </s> B </s>, all of type 0.
void SetRobertaTemplate(int32_t cls, int32_t sep, PostProcessorSpec& spec) {
  spec.single = {{Kind::kSpecial, 0, {cls}}, {Kind::kFirst, 0, {}}, {Kind::kSpecial, 0, {sep}}};
  spec.pair = spec.single;
  spec.pair.push_back({Kind::kSpecial, 0, {sep}});
  spec.pair.push_back({Kind::kSecond, 0, {}});
  spec.pair.push_back({Kind::kSpecial, 0, {sep}});
}

}  // namespace

void SetBertTemplate(int32_t cls, int32_t sep, PostProcessorSpec& spec) {
  spec.single = {{Kind::kSpecial, 0, {cls}}, {Kind::kFirst, 0, {}}, {Kind::kSpecial, 0, {sep}}};
  spec.pair = spec.single;
  spec.pair.push_back({Kind::kSecond, 1, {}});
  spec.pair.push_back({Kind::kSpecial, 1, {sep}});
}

void AppendBertNormalizer(bool clean_text, bool handle_chinese_chars, bool strip_accents, bool lowercase,
                          std::vector<NormalizerStep>& steps) {
  if (clean_text) steps.push_back(NormalizerStep::kClean);
  if (handle_chinese_chars) steps.push_back(NormalizerStep::kSpaceChinese);
  if (strip_accents) {
    steps.push_back(NormalizerStep::kNfd);
    steps.push_back(NormalizerStep::kStripNonspacingMarks);
  }
  if (lowercase) steps.push_back(NormalizerStep::kLowercase);
}

void ReadNormalizer(const JsonNode& node, std::vector<NormalizerStep>& steps) {
  if (!node.Exists()) return;
  const std::string type = node.Get("type").String();
  if (type == "BertNormalizer") {
    const bool lowercase = node.Get("lowercase").Bool();
    const JsonNode strip = node.Get("strip_accents");
    AppendBertNormalizer(node.Get("clean_text").Bool(), node.Get("handle_chinese_chars").Bool(),
                         strip.Exists() ? strip.Bool() : lowercase, lowercase, steps);
  } else if (type == "Sequence") {
    const JsonNode list = node.Get("normalizers");
    for (size_t i = 0; i < list.Size() && steps.size() <= kMaxSteps; ++i) ReadNormalizer(list.Element(i), steps);
  } else if (type == "Lowercase") {
    steps.push_back(NormalizerStep::kLowercase);
  } else if (type == "NFD") {
    steps.push_back(NormalizerStep::kNfd);
  } else if (type == "StripAccents") {
    steps.push_back(NormalizerStep::kStripMarks);
  } else if (type == "Strip") {
    if (node.Get("strip_left").Bool()) steps.push_back(NormalizerStep::kStripLeft);
    if (node.Get("strip_right").Bool()) steps.push_back(NormalizerStep::kStripRight);
  } else {
    node.Get("type").Unsupported(absl::StrCat("\"", type,
                                              "\" is not supported; BertNormalizer, Lowercase, NFD, "
                                              "StripAccents, Strip and Sequence are"));
  }
  if (steps.size() > kMaxSteps) node.Unsupported(absl::StrCat("has more than ", kMaxSteps, " steps"));
}

void ReadPreTokenizer(const JsonNode& node, PreTokenizerSpec& spec) {
  if (!node.Exists()) return;
  const std::string type = node.Get("type").String();
  if (type == "BertPreTokenizer") {
    spec.split_whitespace = spec.isolate_punctuation = true;
  } else if (type == "Whitespace") {
    spec.split_whitespace = spec.split_word_classes = true;
  } else if (type == "WhitespaceSplit") {
    spec.split_whitespace = true;
  } else if (type == "Sequence") {
    const JsonNode list = node.Get("pretokenizers");
    for (size_t i = 0; i < list.Size(); ++i) ReadPreTokenizer(list.Element(i), spec);
  } else {
    node.Get("type").Unsupported(absl::StrCat("\"", type,
                                              "\" is not supported; BertPreTokenizer, Whitespace, "
                                              "WhitespaceSplit and Sequence are"));
  }
}

void ReadPostProcessor(const JsonNode& node, PostProcessorSpec& spec) {
  if (!node.Exists()) return;
  const std::string type = node.Get("type").String();
  if (type == "TemplateProcessing") {
    const JsonNode special_tokens = node.Get("special_tokens");
    ReadTemplate(node.Get("single"), special_tokens, spec.single);
    ReadTemplate(node.Get("pair"), special_tokens, spec.pair);
  } else if (type == "BertProcessing") {
    const int32_t cls = ReadTokenAndId(node.Get("cls"));
    SetBertTemplate(cls, ReadTokenAndId(node.Get("sep")), spec);
  } else if (type == "RobertaProcessing") {
    const int32_t cls = ReadTokenAndId(node.Get("cls")), sep = ReadTokenAndId(node.Get("sep"));
    spec.trim_offsets = node.Get("trim_offsets").Bool();
    spec.add_prefix_space = node.Get("add_prefix_space").Bool();
    SetRobertaTemplate(cls, sep, spec);
  } else {
    node.Get("type").Unsupported(absl::StrCat("\"", type,
                                              "\" is not supported; TemplateProcessing, BertProcessing and "
                                              "RobertaProcessing are"));
  }
}

}  // namespace attendant
