// Reads the normalizer, pre_tokenizer and post_processor objects of a tokenizer.json. Errors go to the node's document.
// Thread-safety: pure functions.
#ifndef ATTENDANT_ENGINE_TOKENIZER_PIPELINE_JSON_H_
#define ATTENDANT_ENGINE_TOKENIZER_PIPELINE_JSON_H_

#include <cstdint>
#include <vector>

#include "engine/tokenizer/json_node.h"
#include "engine/tokenizer/tokenizer_spec.h"

namespace attendant {

// Appends to steps. strip_accents: null in the file means as lowercase says.
void ReadNormalizer(const JsonNode& node, std::vector<NormalizerStep>& steps);
void AppendBertNormalizer(bool clean_text, bool handle_chinese_chars, bool strip_accents, bool lowercase,
                          std::vector<NormalizerStep>& steps);

// [CLS] A [SEP] and [CLS] A [SEP] B [SEP], the second sequence with its [SEP] of type 1.
void SetBertTemplate(int32_t cls, int32_t sep, PostProcessorSpec& spec);

// Adds to spec.
void ReadPreTokenizer(const JsonNode& node, PreTokenizerSpec& spec);

// Whether the template's ids are in the vocabulary is not checked here.
void ReadPostProcessor(const JsonNode& node, PostProcessorSpec& spec);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_TOKENIZER_PIPELINE_JSON_H_
