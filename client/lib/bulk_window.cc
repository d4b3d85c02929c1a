#include "client/lib/bulk_window.h"

#include <algorithm>
#include <utility>

#include "client/lib/item_check.h"

namespace attendant::client {

int64_t BulkWindow::CountGood(const Batch& batch) {
  return std::count_if(batch.items.begin(), batch.items.end(), [](const auto& item) { return item.ok(); });
}

void BulkWindow::Add(std::vector<absl::StatusOr<Item>> items) {
  Batch batch;
  batch.id = next_id_++;
  batch.first_index = next_index_;
  next_index_ += static_cast<int64_t>(items.size());
  batch.items = std::move(items);
  batches_.push_back(std::move(batch));
  if (CountGood(batches_.back()) == 0) Finish(&batches_.back(), {});
}

const BulkWindow::Batch* BulkWindow::FindWaiting() const {
  for (const Batch& batch : batches_) {
    if (batch.state == Batch::State::kWaiting) return &batch;
  }
  return nullptr;
}

BulkWindow::Batch* BulkWindow::TakeToSend() {
  auto* batch = const_cast<Batch*>(FindWaiting());
  if (batch == nullptr) return nullptr;
  batch->state = Batch::State::kSent;
  ++batch->attempts;
  ++sent_;
  return batch;
}

BulkWindow::Batch* BulkWindow::FindSent(int64_t id) {
  // Ids are consecutive, so the position follows from the front's.
  if (batches_.empty() || id < batches_.front().id) return nullptr;
  const auto position = static_cast<size_t>(id - batches_.front().id);
  if (position >= batches_.size() || batches_[position].state != Batch::State::kSent) return nullptr;
  return &batches_[position];
}

void BulkWindow::Finish(Batch* batch, std::vector<EmbedResult> results) {
  if (batch->state == Batch::State::kSent) --sent_;
  batch->state = Batch::State::kFinished;
  size_t next = 0;
  batch->results.resize(batch->items.size());
  for (size_t i = 0; i < batch->items.size(); ++i) {
    EmbedResult& result = batch->results[i];
    if (!batch->items[i].ok()) {
      result.status = batch->items[i].status();
      continue;
    }
    result = std::move(results[next]);
    RenumberItem(static_cast<int64_t>(next++), batch->first_index + static_cast<int64_t>(i), &result.status,
                 &result.field);
  }
  batch->items.clear();
  batch->items.shrink_to_fit();
}

void BulkWindow::FinishWithError(Batch* batch, const absl::Status& status) {
  EmbedResult failed;
  failed.status = status;
  Finish(batch, std::vector<EmbedResult>(static_cast<size_t>(CountGood(*batch)), failed));
}

void BulkWindow::ReturnToWaiting(Batch* batch) {
  if (batch->state == Batch::State::kSent) --sent_;
  batch->state = Batch::State::kWaiting;
}

void BulkWindow::ReturnAllSentToWaiting() {
  for (Batch& batch : batches_) {
    if (batch.state == Batch::State::kSent) ReturnToWaiting(&batch);
  }
}

std::optional<BulkWindow::Batch> BulkWindow::TakeFinished() {
  if (batches_.empty() || batches_.front().state != Batch::State::kFinished) return std::nullopt;
  Batch batch = std::move(batches_.front());
  batches_.pop_front();
  return batch;
}

}  // namespace attendant::client
