#include "client/cli/workload.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace attendant::cli {
namespace {

// No encoder takes longer sequences; a typing error should not ask for gigabytes.
constexpr int32_t kLongest = 1'000'000;
// Special and reserved tokens of BERT's vocabularies lie below.
constexpr int32_t kFirstOrdinaryId = 1000;

constexpr auto kWords = std::to_array<std::string_view>(
    {"the",   "water", "a",     "small", "house", "on",    "river",   "with",  "people", "who",   "work",   "in",
     "city",  "and",   "green", "field", "old",   "road",  "between", "two",   "towns",  "where", "market", "opens",
     "early", "every", "day",   "to",    "sell",  "bread", "fish",    "paper", "music",  "light", "stone",  "from"});

// Box and Muller's method, one of its two numbers.
double Normal(std::mt19937_64& random) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - UniformDouble(random)));
  return radius * std::cos(2.0 * std::numbers::pi * UniformDouble(random));
}

}  // namespace

double UniformDouble(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1.0p-53; }

int32_t LengthDistribution::Sample(std::mt19937_64& random) const {
  if (fixed > 0) return fixed;
  // The mean of a log-normal is exp(mu + sigma^2 / 2).
  const double mu = std::log(mean) - sigma * sigma / 2;
  const double length = std::exp(mu + sigma * Normal(random));
  return static_cast<int32_t>(std::lround(std::clamp<double>(length, smallest, largest)));
}

absl::StatusOr<LengthDistribution> ParseLengths(const std::string& text) {
  LengthDistribution lengths;
  if (text == "lognormal") return lengths;
  if (!absl::SimpleAtoi(text, &lengths.fixed) || lengths.fixed < 1 || lengths.fixed > kLongest) {
    return absl::InvalidArgumentError(
        absl::StrCat("--lengths: '", text, "' is neither 'lognormal' nor a number of tokens from 1 to ", kLongest));
  }
  return lengths;
}

std::vector<client::Item> SyntheticIds(const LengthDistribution& lengths, int32_t vocab_size, int count,
                                       uint64_t seed) {
  const int32_t first = vocab_size > 2 * kFirstOrdinaryId ? kFirstOrdinaryId : vocab_size / 2;
  const auto range = static_cast<double>(std::max(1, vocab_size - first));
  std::mt19937_64 random(seed);
  std::vector<client::Item> items;
  for (int i = 0; i < count; ++i) {
    client::TokenIds tokens;
    tokens.input_ids.resize(static_cast<size_t>(lengths.Sample(random)));
    for (int32_t& id : tokens.input_ids) id = first + static_cast<int32_t>(UniformDouble(random) * range);
    items.emplace_back(std::move(tokens));
  }
  return items;
}

std::vector<client::Item> SyntheticTexts(const LengthDistribution& lengths, int count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<client::Item> items;
  for (int i = 0; i < count; ++i) {
    const int words = std::max(1, lengths.Sample(random) - 2);  // without the two special tokens
    std::string text;
    for (int word = 0; word < words; ++word) {
      if (word > 0) text += ' ';
      text += kWords[static_cast<size_t>(UniformDouble(random) * kWords.size())];
    }
    items.emplace_back(std::move(text));
  }
  return items;
}

std::vector<const client::Item*> Workload::Request(int64_t index) const {
  std::vector<const client::Item*> request;
  const auto size = static_cast<int64_t>(items_.size());
  for (int64_t i = 0; i < items_per_request_; ++i) {
    request.push_back(&items_[static_cast<size_t>((index * items_per_request_ + i) % size)]);
  }
  return request;
}

}  // namespace attendant::cli
