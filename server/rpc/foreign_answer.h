// What the doors of other protocols share: an item's failure as a call's, and vectors of fewer dimensions.
//
// Thread-safety: free functions without state.
#ifndef ATTENDANT_SERVER_RPC_FOREIGN_ANSWER_H_
#define ATTENDANT_SERVER_RPC_FOREIGN_ANSWER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "attendant/v1/embedding.pb.h"

namespace attendant {

// The status of an item, in a protocol where an item cannot fail alone. field: what that protocol calls the input;
// prompts keep their name.
absl::Status ToCallStatus(const v1::ItemStatus& status, const std::string& field);

enum class Scaling { kAsItIs, kToUnitLength };

// The first values of each row, as Matryoshka models are used: cut, then normalised. row_size > 0; dimensions: at most
// row_size. A row of zeros stays what it is.
std::vector<float> CutVectors(const float* values, size_t rows, size_t row_size, size_t dimensions, Scaling scaling);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_FOREIGN_ANSWER_H_
