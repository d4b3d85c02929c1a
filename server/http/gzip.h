// Bytes through zlib, piece by piece: requests to inflate, within bounds, and answers to deflate.
//
// Thread-safety: an object belongs to one thread.
#ifndef ATTENDANT_SERVER_HTTP_GZIP_H_
#define ATTENDANT_SERVER_HTTP_GZIP_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

struct z_stream_s;

namespace attendant {

class Inflater {
 public:
  using Sink = std::function<absl::Status(const char* data, size_t size)>;

  // Of gzip, or of zlib's own format, which HTTP calls deflate; it finds out itself.
  Inflater();
  ~Inflater();
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // What comes out goes to the sink, whose errors end it. INVALID_ARGUMENT: it is broken, or grows more than texts do:
  // a megabyte of zeros would become a gigabyte.
  absl::Status Write(const char* data, size_t size, const Sink& sink);
  // Was that all of it?
  absl::Status Finish() const;

 private:
  const std::unique_ptr<z_stream_s> stream_;
  size_t received_ = 0;
  size_t produced_ = 0;
  bool ended_ = false;
};

class Deflater {
 public:
  Deflater();  // gzip, at the speed of a network
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  void Write(std::string_view data, std::string* out) { Run(data, Flush::kNone, out); }
  void Finish(std::string* out) { Run({}, Flush::kFinish, out); }

 private:
  enum class Flush { kNone, kFinish };
  void Run(std::string_view data, Flush flush, std::string* out);

  const std::unique_ptr<z_stream_s> stream_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_GZIP_H_
