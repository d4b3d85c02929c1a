// Does a loaded model compute what it should? Asked before it answers its first call: at start and before a cut-over.
//
// Always: vectors of a few fixed texts are finite, of length 1 where the model normalises, and the same bytes alone and
// in a batch. With golden vectors (golden.h): the directory's facts and the cosine of every vector.
// Thread-safety: the calling thread computes, in a session of its own; the model may serve meanwhile.
#ifndef ATTENDANT_SERVER_MODELS_SELF_CHECK_H_
#define ATTENDANT_SERVER_MODELS_SELF_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/models/loaded_model.h"

namespace attendant {

struct SelfCheckRow {
  std::string check;
  bool passed = false;
  std::string detail;
};

struct SelfCheckReport {
  std::vector<SelfCheckRow> rows;

  // FAILED_PRECONDITION names the first check that failed and why.
  absl::Status status() const;
  // "finite, normalised, ...": for the log.
  std::string Summary() const;
  // For people: one line a check.
  std::string Table() const;
};

SelfCheckReport SelfCheck(const LoadedModel& model);

// One forward pass of one token, as small as a real one can be: OK, or why not. Thread-safety: as above.
absl::Status ProbeModel(const LoadedModel& model);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_SELF_CHECK_H_
