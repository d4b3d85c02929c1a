// The vectors of two lists of items: those that come as vectors as they are, the others embedded, each list with its
// own prompt.
//
// It is not: a flow; compare_flow.cc drives it. Thread-safety: belongs to one call, whose stages run one after another.
// Ownership: items are borrowed from the request, which the caller keeps alive; spans of vectors point into the request
// or into this.
#ifndef ATTENDANT_SERVER_RPC_COMPARED_VECTORS_H_
#define ATTENDANT_SERVER_RPC_COMPARED_VECTORS_H_

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "attendant/v1/embedding.pb.h"
#include "server/rpc/embed_flow.h"
#include "server/rpc/service_core.h"

namespace attendant {

struct ComparedList {
  std::vector<const v1::Item*> items;
  std::string name;           // of the field: "items"
  bool is_single = false;     // the field is one item
  std::string prompt_prefix;  // "query_" of "query_prompt_text"
  v1::EmbedOptions options;   // prompt and truncation
  size_t request_bytes = 0;   // of the whole request

  // One per item; empty: it failed.
  std::vector<std::span<const float>> vectors;
  std::vector<v1::ItemFailure> failures;  // by index

  std::string PathOf(int index) const;
};

class ComparedVectors {
 public:
  // What is common to both lists.
  struct Request {
    std::string model;
    int32_t dimensions = 0;
    bool allow_untrained_dimensions = false;
    bool include_metadata = false;
    int service_class = 0;
  };

  ComparedVectors(std::array<ComparedList, 2> lists, Request request)
      : lists_(std::move(lists)), request_(std::move(request)) {}

  // Checks prompts and limits, takes the vectors that are there, and makes the request for the others.
  absl::Status Prepare(const ServiceCore& core, const ServedModel& model, Reservation* reservation);
  // Null when there is nothing to embed.
  std::shared_ptr<const v1::EmbedRequest> native() const { return native_; }
  EmbedLists lists_to_embed() const;
  // With the answer to native(). The status is the call's, in the fields of this request.
  absl::Status Take(Outcome<v1::EmbedResponse> embedded);

  const ComparedList& list(size_t i) const { return lists_[i]; }
  const v1::EmbedResponse& embedded() const { return embedded_; }
  const CallReport& report() const { return report_; }

 private:
  absl::Status CheckPrompt(const ServiceCore& core, const ServedModel& model, ComparedList* list);
  void TakeGiven(ComparedList* list, size_t index);
  absl::Status Renamed(const absl::Status& status) const;

  std::array<ComparedList, 2> lists_;
  const Request request_;
  int32_t dimension_ = 0;  // that every vector must have; 0: not known yet
  TokenizeOptions first_;
  int first_items_ = 0;  // of native, that are the first list's
  std::shared_ptr<v1::EmbedRequest> native_;
  std::vector<std::pair<size_t, size_t>> places_;  // list and index, for each item of native
  v1::EmbedResponse embedded_;
  CallReport report_;
};

}  // namespace attendant

#endif  // ATTENDANT_SERVER_RPC_COMPARED_VECTORS_H_
