// An EmbeddingService in this process, on a port of the system's choice, that answers without a model and misbehaves
// on demand. The fixture of the client's tests.
//
// The vector of an item is a function of its content alone (FakeVector), so a test can say what must come back.
// Faults are queued and each is used up by the next call (or stream request) that it fits.
// Thread-safety: every member may be called from any thread. The server stops in the destructor.
#ifndef ATTENDANT_TESTS_CLIENT_FAKE_SERVER_H_
#define ATTENDANT_TESTS_CLIENT_FAKE_SERVER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/lib/types.h"

namespace attendant::client {

constexpr int32_t kFakeDimension = 4;

// What the fake answers for an item.
std::vector<float> FakeVector(const Item& item);

struct FakeFault {
  enum class Kind {
    kRefuse,            // the call or stream request fails with code (and hint)
    kBreakStream,       // the stream request is not answered; the stream ends with code
    kHang,              // not answered until the caller goes away
    kDropResult,        // one result too few
    kUnknownId,         // answered under an id that nobody sent
    kOtherFingerprint,  // answered as if by another model, from now on
    kAttentionGap,      // the second chunk of attention starts one value too late
    kItemUnavailable,   // the first item of the request is UNAVAILABLE, the others are answered
  };
  Kind kind = Kind::kRefuse;
  absl::StatusCode code = absl::StatusCode::kUnavailable;
  std::optional<std::chrono::milliseconds> retry_after{};
};

class FakeServer {
 public:
  FakeServer();
  explicit FakeServer(const std::string& address);  // to come back on an address that was in use before
  ~FakeServer();

  std::string address() const;

  void AddFault(const FakeFault& fault, int times = 1);
  // The first `count` requests pass before the faults apply.
  void SkipBeforeFaults(int count);
  // Stream requests are held back until this many wait, then answered last first.
  void AnswerInReverse(int group);
  void SetLimits(const Limits& limits);
  void SetServing(bool serving);

  // What was seen.
  int calls() const;  // of every method, refused ones included
  int streams() const;
  int stream_requests() const;
  int largest_batch() const;
  int most_in_flight() const;                                      // stream requests held at once
  std::optional<std::chrono::milliseconds> last_deadline() const;  // of the last unary call, as it arrived

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attendant::client

#endif  // ATTENDANT_TESTS_CLIENT_FAKE_SERVER_H_
