// The example of docs/client.md, compiled and run with the tests so that it stays true.
#include "tests/client/library_example.h"

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "client/lib/client.h"

namespace client = attendant::client;

// Embeds two texts and prints their cosine. Returns false when the server could not be asked.
bool CompareTwoTexts(client::Client& connection) {
  const auto reply = connection.Embed({std::string("A man is eating."), std::string("Someone has a meal.")},
                                      {.normalize = true, .include_metadata = true});
  if (!reply.ok()) {
    std::cerr << reply.status() << "\n";  // says what was asked of whom, and why it failed
    return false;
  }
  for (const client::EmbedResult& result : reply->results) {
    if (!result.status.ok()) std::cerr << result.field << ": " << result.status << "\n";  // one bad item fails alone
  }
  double cosine = 0;
  const std::vector<float>& first = reply->results[0].values;
  const std::vector<float>& second = reply->results[1].values;
  for (size_t i = 0; i < std::min(first.size(), second.size()); ++i) cosine += first[i] * second[i];
  std::cout << "cosine " << cosine << ", computed in " << reply->metadata->compute_us << " us\n";
  return true;
}

// Embeds any number of texts; results arrive in input order while later ones are still on their way.
absl::StatusOr<client::BulkSummary> EmbedManyTexts(client::Client& connection, int count) {
  int next = 0;
  const client::ItemSource source = [&]() -> std::optional<absl::StatusOr<client::Item>> {
    if (next == count) return std::nullopt;
    return client::Item("document " + std::to_string(next++));
  };
  const client::ResultSink sink = [](int64_t first_index, std::vector<client::EmbedResult> results) {
    std::cout << "documents from " << first_index << ": " << results.size() << "\n";
    return absl::OkStatus();  // an error would end EmbedAll
  };
  return connection.EmbedAll(source, sink, {.max_batch_items = 64, .max_in_flight = 4});
}
