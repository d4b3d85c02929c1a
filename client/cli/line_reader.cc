#include "client/cli/line_reader.h"

namespace attendant::cli {

LineReader::Outcome LineReader::Next(std::string* line) {
  line->clear();
  std::streambuf* buffer = in_.rdbuf();
  bool too_long = false;
  const int64_t start = bytes_read_;
  int c = buffer->sbumpc();
  for (; c != std::char_traits<char>::eof() && c != '\n'; c = buffer->sbumpc()) {
    ++bytes_read_;
    if (line->size() >= max_bytes_) too_long = true;
    if (!too_long) line->push_back(static_cast<char>(c));
  }
  if (c == '\n') {
    ++bytes_read_;
  } else if (bytes_read_ == start) {
    return Outcome::kEnd;
  }
  ++line_number_;
  if (too_long) {
    line->clear();
    line->shrink_to_fit();
    return Outcome::kTooLong;
  }
  if (!line->empty() && line->back() == '\r') line->pop_back();
  if (line_number_ == 1 && line->starts_with("\xEF\xBB\xBF")) line->erase(0, 3);
  return Outcome::kLine;
}

}  // namespace attendant::cli
