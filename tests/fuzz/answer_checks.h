// Every RPC of every door, and what a good answer of each must be, whatever was asked: for service_fuzz.
//
// A check aborts when an answer does not hold together. Knows protobuf, not gRPC. Thread-safety: free functions.
#ifndef ATTENDANT_TESTS_FUZZ_ANSWER_CHECKS_H_
#define ATTENDANT_TESTS_FUZZ_ANSWER_CHECKS_H_

#include <string>
#include <vector>

#include "tests/fuzz/require.h"

namespace attendant::fuzz {

using Messages = std::vector<std::string>;

// What may differ when the same call is made again.
enum class Repeats {
  kSameBytes,
  kSameButMetadata,  // times
  kSameButOrder,     // of a map's entries
  kNot,              // order of answers, counters, the state that an admin call leaves behind
};
enum class Listener { kMain, kAdmin };

struct Rpc {
  std::string service;  // full name
  std::string method;
  bool stream = false;  // of requests
  Repeats repeats = Repeats::kNot;
  Listener listener = Listener::kMain;
  // Of a call that ended with OK.
  void (*check)(const Messages& sent, const Messages& answers) = nullptr;

  std::string path() const { return "/" + service + "/" + method; }
};

// In the order of the corpus' first byte; new ones go to the end.
const std::vector<Rpc>& OfferedRpcs();
// Those that the contracts have and OfferedRpcs has not: they are refused with UNIMPLEMENTED.
const std::vector<Rpc>& RefusedRpcs();

// Whether a call of this RPC may fail with this code (grpc::StatusCode) because of what the caller sent.
bool IsCallersMistake(const Rpc& rpc, int code);

// Whether the answers are a function of the request, apart from what rpc.repeats says.
bool IsRepeatable(const Rpc& rpc, const Messages& sent);
// The answers without what may differ.
Messages Comparable(const Rpc& rpc, const Messages& answers);

}  // namespace attendant::fuzz

#endif  // ATTENDANT_TESTS_FUZZ_ANSWER_CHECKS_H_
