// SHA-256 of short strings, for API keys: only their hashes are ever kept.
//
// It is not: for passwords. A key is long and random, so its hash cannot be searched for. Thread-safety: pure
// functions.
#ifndef ATTENDANT_SERVER_SECURITY_SHA256_H_
#define ATTENDANT_SERVER_SECURITY_SHA256_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace attendant {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest Sha256(std::string_view text);
std::string ToHex(const Sha256Digest& digest);
// 64 hexadecimal digits of either case, and nothing else.
std::optional<Sha256Digest> FromHex(std::string_view hex);
// Takes the same time wherever the two differ.
bool EqualInConstantTime(const Sha256Digest& a, const Sha256Digest& b);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_SECURITY_SHA256_H_
