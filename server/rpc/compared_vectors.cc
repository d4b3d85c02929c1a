#include "server/rpc/compared_vectors.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/conversion.h"
#include "server/rpc/foreign_answer.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

constexpr char kOptions[] = "options.";  // before the fields that the native request has there

bool AllFinite(const google::protobuf::RepeatedField<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

std::string ComparedList::PathOf(int index) const { return is_single ? name : absl::StrCat(name, "[", index, "]"); }

absl::Status ComparedVectors::Prepare(const ServiceCore& core, const ServedModel& model, Reservation* reservation) {
  auto native = std::make_shared<v1::EmbedRequest>();
  dimension_ = std::max(0, request_.dimensions);
  int64_t copied = 0;
  for (ComparedList& list : lists_) {
    if (list.items.size() > static_cast<size_t>(core.limits.max_items_per_request)) {
      return InvalidField(list.name, absl::StrCat(list.items.size(), " are more than the limit of ",
                                                  core.limits.max_items_per_request, " (--max-items-per-request)"));
    }
    if (absl::Status status = CheckPrompt(core, model, &list); !status.ok()) return status;
    list.vectors.resize(list.items.size());
    for (const v1::Item* item : list.items) {
      if (!item->has_vector()) copied += static_cast<int64_t>(item->SpaceUsedLong());
    }
  }
  // What is embedded is there twice from now on.
  if (absl::Status status = Reserve(copied, reservation); !status.ok()) return status;
  for (size_t which = 0; which < lists_.size(); ++which) {
    const ComparedList& list = lists_[which];
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (list.items[i]->has_vector()) continue;
      *native->add_items() = *list.items[i];
      places_.emplace_back(which, i);
    }
    if (which == 0) first_items_ = native->items_size();
  }
  if (!places_.empty()) dimension_ = model.OutputDimension({.dimensions = dimension_});
  for (ComparedList& list : lists_) {
    for (size_t i = 0; i < list.items.size(); ++i) {
      if (list.items[i]->has_vector()) TakeGiven(&list, i);
    }
  }
  if (places_.empty()) return absl::OkStatus();
  const auto first = ToTokenizeOptions(lists_[0].options, core.limits);
  if (!first.ok()) return first.status();
  first_ = *first;
  native->set_model(request_.model);
  *native->mutable_options() = lists_[1].options;
  native->mutable_options()->set_dimensions(request_.dimensions);
  native->mutable_options()->set_allow_untrained_dimensions(request_.allow_untrained_dimensions);
  native->set_include_metadata(request_.include_metadata);
  native->set_service_class(static_cast<v1::ServiceClass>(request_.service_class));
  native_ = std::move(native);
  return absl::OkStatus();
}

absl::Status ComparedVectors::CheckPrompt(const ServiceCore& core, const ServedModel& model, ComparedList* list) {
  const v1::EmbedOptions& options = list->options;
  const auto checked = ToTokenizeOptions(options, core.limits);
  if (!checked.ok()) {
    return Renamed(RenameField(checked.status(), "options.prompt_text", list->prompt_prefix + "prompt_text"));
  }
  if (options.prompt_case() == v1::EmbedOptions::kPromptName &&
      model.info().prompts.count(options.prompt_name()) == 0) {
    return InvalidField(list->prompt_prefix + "prompt_name",
                        absl::StrCat("the model has no prompt ", Quoted(options.prompt_name()), " (GetModel)"));
  }
  return CheckPromptWork(list->prompt_prefix + "prompt_text", options.prompt_text().size(),
                         static_cast<int>(list->items.size()), list->request_bytes);
}

void ComparedVectors::TakeGiven(ComparedList* list, size_t index) {
  const auto& values = list->items[index]->vector().values();
  std::string why;
  if (values.empty()) {
    why = "there are no values";
  } else if (dimension_ != 0 && values.size() != dimension_) {
    why = absl::StrCat("there are ", values.size(), " values, where others have ", dimension_);
  } else if (!AllFinite(values)) {
    why = "there is a value that is not a finite number";
  }
  if (why.empty()) {
    dimension_ = values.size();
    list->vectors[index] = {values.data(), static_cast<size_t>(values.size())};
    ++report_.items[absl::StatusCode::kOk];
    return;
  }
  v1::ItemFailure failure;
  failure.set_index(static_cast<int32_t>(index));
  *failure.mutable_status() = ToItemStatus(InvalidField(list->PathOf(static_cast<int>(index)) + ".vector", why));
  list->failures.push_back(std::move(failure));
  ++report_.items[absl::StatusCode::kInvalidArgument];
}

EmbedLists ComparedVectors::lists_to_embed() const {
  return {.first_items = first_items_, .first = first_, .path = [this](int index) {
            const auto [which, place] = places_[static_cast<size_t>(index)];
            return lists_[which].PathOf(static_cast<int>(place));
          }};
}

absl::Status ComparedVectors::Take(Outcome<v1::EmbedResponse> embedded) {
  const CallReport given = std::exchange(report_, std::move(embedded.report));
  for (const auto& [code, count] : given.items) report_.items[code] += count;
  if (!embedded.status.ok()) return Renamed(embedded.status);
  embedded_.Swap(&embedded.response);
  for (int i = 0; i < embedded_.results_size(); ++i) {
    const auto [which, index] = places_[static_cast<size_t>(i)];
    const v1::EmbedResult& result = embedded_.results(i);
    if (!result.has_status()) {
      const auto& values = result.embedding().values();
      lists_[which].vectors[index] = {values.data(), static_cast<size_t>(values.size())};
      continue;
    }
    v1::ItemFailure failure;
    failure.set_index(static_cast<int32_t>(index));
    *failure.mutable_status() = result.status();
    lists_[which].failures.push_back(std::move(failure));
  }
  for (ComparedList& list : lists_) {
    std::sort(list.failures.begin(), list.failures.end(),
              [](const v1::ItemFailure& a, const v1::ItemFailure& b) { return a.index() < b.index(); });
  }
  return absl::OkStatus();
}

// The options of the native request are fields of this one's own.
absl::Status ComparedVectors::Renamed(const absl::Status& status) const {
  const std::string field = FieldOf(status);
  if (!absl::StartsWith(field, kOptions)) return status;
  const std::string own = field.substr(sizeof(kOptions) - 1);
  return RenameField(status, field, own == "prompt_text" ? lists_[1].prompt_prefix + own : own);
}

}  // namespace attendant
