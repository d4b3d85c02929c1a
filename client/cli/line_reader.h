// Lines of a stream, one at a time, each bounded in length.
//
// A line ends with LF or CR LF; the last may lack it; a byte order mark before the first is dropped. It does not own
// the stream. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_LINE_READER_H_
#define ATTENDANT_CLIENT_CLI_LINE_READER_H_

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>

namespace attendant::cli {

class LineReader {
 public:
  enum class Outcome { kLine, kTooLong, kEnd };

  LineReader(std::istream& in, size_t max_bytes) : in_(in), max_bytes_(max_bytes) {}

  // kTooLong: the line was longer than max_bytes; it was passed over and *line is empty.
  Outcome Next(std::string* line);
  int64_t line_number() const { return line_number_; }  // of the last line returned, from 1
  int64_t bytes_read() const { return bytes_read_; }

 private:
  std::istream& in_;
  size_t max_bytes_;
  int64_t line_number_ = 0;
  int64_t bytes_read_ = 0;
};

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_LINE_READER_H_
