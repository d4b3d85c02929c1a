// Small pieces of text: numbers, durations, shortened texts, JSON of what several commands print.
//
// Thread-safety: pure functions.
#ifndef ATTENDANT_CLIENT_CLI_FORMAT_H_
#define ATTENDANT_CLIENT_CLI_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "client/lib/types.h"

namespace attendant::cli {

// 1234567 -> "1,234,567".
std::string WithCommas(int64_t value);
// "0:07", "12:34", "1:02:03".
std::string Clock(double seconds);
// The shortest text that reads back as the same float; "null" when it is not finite, as JSON wants it.
std::string ShortestFloat(float value);
std::string Fixed(double value, int decimals);
// Microseconds as milliseconds with unit: "1.24 ms".
std::string MillisecondsText(int64_t microseconds);

// Code points that a terminal shows as one or two columns; control characters count 1 (they are replaced when shown).
int DisplayWidth(std::string_view text);
// At most `width` columns, cut with "..." where longer; control and malformed bytes become '?'.
std::string Shortened(std::string_view text, int width);
// To exactly `width` columns with spaces at the end (or the front).
std::string PaddedRight(std::string_view text, int width);
std::string PaddedLeft(std::string_view text, int width);

// A quoted JSON string; malformed UTF-8 becomes U+FFFD.
std::string JsonString(std::string_view text);

// What a person would want to see of an item: its text, "a | b", "5 ids".
std::string ItemLabel(const client::Item& item);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_FORMAT_H_
