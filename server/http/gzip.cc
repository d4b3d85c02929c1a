#include "server/http/gzip.h"

#include <zlib.h>

#include <array>

#include "absl/strings/str_cat.h"

namespace attendant {
namespace {

// Texts compress three to ten times, what is made for the purpose a thousand times. The same bounds as for gRPC.
constexpr size_t kMaxRatio = 64;
constexpr size_t kSmallBytes = 64 * 1024;
constexpr size_t kPieceBytes = 16 * 1024;
constexpr int kGzip = 16;          // added to the window's bits: zlib's word for gzip
constexpr int kGzipOrZlib = 32;    // and for whichever it is
constexpr int kDeflateMemory = 8;  // zlib's default

}  // namespace

Inflater::Inflater() : stream_(std::make_unique<z_stream>()) { inflateInit2(stream_.get(), kGzipOrZlib + MAX_WBITS); }
Inflater::~Inflater() { inflateEnd(stream_.get()); }

absl::Status Inflater::Write(const char* data, size_t size, const Sink& sink) {
  received_ += size;
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data));
  stream_->avail_in = static_cast<uInt>(size);
  std::array<char, kPieceBytes> piece;
  while (true) {
    if (ended_) {
      return stream_->avail_in == 0 ? absl::OkStatus()
                                    : absl::InvalidArgumentError("there are bytes behind the end of its compression");
    }
    stream_->next_out = reinterpret_cast<Bytef*>(piece.data());
    stream_->avail_out = piece.size();
    const int result = inflate(stream_.get(), Z_NO_FLUSH);
    ended_ = result == Z_STREAM_END;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      return absl::InvalidArgumentError("its compression is broken");
    }
    const size_t count = piece.size() - stream_->avail_out;
    produced_ += count;
    if (produced_ > kSmallBytes + kMaxRatio * received_) {
      return absl::InvalidArgumentError(absl::StrCat("when decompressed it is more than ", kMaxRatio,
                                                     " times as large; send it without compression"));
    }
    if (absl::Status status = sink(piece.data(), count); !status.ok()) return status;
    if (!ended_ && stream_->avail_out > 0) return absl::OkStatus();  // it wants more
  }
}

absl::Status Inflater::Finish() const {
  return ended_ ? absl::OkStatus() : absl::InvalidArgumentError("its compression ends too early");
}

Deflater::Deflater() : stream_(std::make_unique<z_stream>()) {
  deflateInit2(stream_.get(), Z_BEST_SPEED, Z_DEFLATED, kGzip + MAX_WBITS, kDeflateMemory, Z_DEFAULT_STRATEGY);
}
Deflater::~Deflater() { deflateEnd(stream_.get()); }

void Deflater::Run(std::string_view data, Flush flush, std::string* out) {
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream_->avail_in = static_cast<uInt>(data.size());
  std::array<char, kPieceBytes> piece;
  do {
    stream_->next_out = reinterpret_cast<Bytef*>(piece.data());
    stream_->avail_out = piece.size();
    deflate(stream_.get(), flush == Flush::kFinish ? Z_FINISH : Z_NO_FLUSH);
    out->append(piece.data(), piece.size() - stream_->avail_out);
  } while (stream_->avail_out == 0);
}

}  // namespace attendant
