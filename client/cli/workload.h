// What a benchmark sends: items of its own making, or a file's, again and again.
//
// The same seed gives the same items on every machine: no distribution of the standard library is used, since those
// differ between implementations. Thread-safety: immutable once made.
#ifndef ATTENDANT_CLIENT_CLI_WORKLOAD_H_
#define ATTENDANT_CLIENT_CLI_WORKLOAD_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/types.h"

namespace attendant::cli {

// In [0, 1).
double UniformDouble(std::mt19937_64& random);

// Numbers of tokens: always `fixed`, or (fixed == 0) log-normal with about this mean, cut to [smallest, largest].
struct LengthDistribution {
  int32_t fixed = 0;
  double mean = 49;
  double sigma = 0.8;  // of the logarithm; gives the long tail that real sentences have
  int32_t smallest = 7;
  int32_t largest = 256;

  int32_t Sample(std::mt19937_64& random) const;
};

// "lognormal" or a number.
absl::StatusOr<LengthDistribution> ParseLengths(const std::string& text);

// Random ids of the vocabulary's upper part, where no special tokens are; complete as they are.
std::vector<client::Item> SyntheticIds(const LengthDistribution& lengths, int32_t vocab_size, int count, uint64_t seed);
// Texts of common English words, about a token each.
std::vector<client::Item> SyntheticTexts(const LengthDistribution& lengths, int count, uint64_t seed);

class Workload {
 public:
  // Precondition: items is not empty.
  Workload(std::vector<client::Item> items, int items_per_request)
      : items_(std::move(items)), items_per_request_(items_per_request) {}

  // The items of the index-th request.
  std::vector<const client::Item*> Request(int64_t index) const;
  int items_per_request() const { return items_per_request_; }

 private:
  std::vector<client::Item> items_;
  int items_per_request_;
};

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_WORKLOAD_H_
