// Unicode lower-casing of a whole text, for the sentence-transformers setting do_lower_case (Python's str.lower).
#ifndef ATTENDANT_ENGINE_LOWER_CASE_H_
#define ATTENDANT_ENGINE_LOWER_CASE_H_

#include <string>
#include <string_view>

namespace attendant {

// Full mapping of the Unicode Standard, section 3.13, with the final sigma rule. Bytes that are not UTF-8 are kept.
std::string LowerCase(std::string_view text);

// True when the text is empty or holds white space only (Unicode White_Space).
bool IsBlank(std::string_view text);

}  // namespace attendant

#endif  // ATTENDANT_ENGINE_LOWER_CASE_H_
