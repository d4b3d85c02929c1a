// What the doors that embed share: the fields of a request's JSON, its inputs as items, one item's failure as the
// call's, and lists of vectors as an answer.
//
// It is not: one protocol. Thread-safety: free functions; a FieldReader belongs to one thread.
#ifndef ATTENDANT_SERVER_HTTP_API_EMBED_DOOR_H_
#define ATTENDANT_SERVER_HTTP_API_EMBED_DOOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "attendant/v1/embedding.pb.h"
#include "server/http/api/http_call.h"

namespace attendant {

// The fields of an object, each asked for by name and type; null is as good as none. The first error is kept: ask all,
// then look at Finish, which also refuses fields that nobody has asked for.
class FieldReader {
 public:
  explicit FieldReader(nlohmann::json* object);

  std::optional<std::string> String(const char* name);
  std::optional<bool> Bool(const char* name);
  std::optional<int64_t> Integer(const char* name, int64_t min, int64_t max);
  // One of the words, in lower case; unknown ones are an error that lists them.
  std::optional<std::string> Word(const char* name, const std::set<std::string>& words);
  // Whatever it is; nullptr when it is not there.
  nlohmann::json* Any(const char* name);
  absl::Status Finish();

 private:
  nlohmann::json* Find(const char* name, bool (*is_type)(const nlohmann::json&), const char* type);
  void Fail(absl::Status status);

  nlohmann::json* const object_;
  std::set<std::string> known_;
  absl::Status status_;
};

// The call's body as a tree; its memory is reserved.
absl::StatusOr<nlohmann::json> ReadJson(HttpCall& call);

enum class IdsPolicy { kRefused, kComplete, kWithSpecialTokens };

struct ItemsOptions {
  std::string field;  // what the protocol calls the inputs
  IdsPolicy ids = IdsPolicy::kRefused;
  std::string why_no_ids;                 // with kRefused
  std::string dimensions = "dimensions";  // what the protocol calls these
};

// "text", ["text", ...], [1, 2], [[1, 2], ...]. Texts are moved out of the tree. Returns whether it was a single one.
absl::StatusOr<bool> AddItems(nlohmann::json* inputs, const ItemsOptions& options, v1::EmbedRequest* request);

// Runs it, and makes the first item's failure the call's: these protocols have no other words for it. Fields of errors
// are renamed: to those of the options, and "options.x" to "x".
Outcome<v1::EmbedResponse> RunWhole(HttpCall& call, std::shared_ptr<const v1::EmbedRequest> request,
                                    const ItemsOptions& options, bool single);
absl::Status Renamed(const absl::Status& status, const ItemsOptions& options);

// The field of this name, if it is there, and allow_untrained_dimensions, as the native options of these names.
void ReadDimensions(FieldReader* fields, const std::string& field, v1::EmbedOptions* options);

// begin item item ... end. Large ones are written while they are sent; item writes number i with what stands before it.
struct ListBody {
  std::string begin;
  int count = 0;
  std::function<void(int i, std::string* out)> item;
  std::string end;
  Compression compression = Compression::kIfWanted;
};
HttpResponse ListResponse(ListBody list);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_HTTP_API_EMBED_DOOR_H_
