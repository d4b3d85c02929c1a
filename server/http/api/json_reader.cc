#include "server/http/api/json_reader.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/status_mapping.h"

namespace attendant {
namespace {

using nlohmann::json;

// Requests need five levels; recursion over a tree stays shallow.
constexpr size_t kMaxDepth = 32;
// As nlohmann stores them: a value, twice for the growth of lists; an object's entry in a node of a map. And our own
// note of each key.
constexpr int64_t kValueBytes = 2 * sizeof(json);
constexpr int64_t kEntryBytes = 200;
constexpr int64_t kContainerBytes = 64;

absl::Status NoJson(std::string_view what, size_t position) {
  return InvalidField(
      "(body)", absl::StrCat("it is not the JSON that is wanted here: ", std::string(what), " at byte ", position));
}

// What both handlers check: nesting, and keys that come twice, of which other parsers would take the other one.
class Checker : public nlohmann::json_sax<json> {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  const absl::Status& status() const { return status_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return Open(); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    status_ = InvalidField("(body)", absl::StrCat("it has the key ", Quoted(name), " twice in one object"));
    return false;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // Of nlohmann's sentence, what stands before the piece of the text that it quotes.
    const std::string sentence = error.what();
    const bool range = error.id == kOutOfRange;
    const bool utf8 = sentence.find("UTF-8") != std::string::npos;
    const char* what = range ? "a number that is too large" : utf8 ? "a string that is not UTF-8" : "a syntax error";
    status_ = NoJson(text_.empty() ? "nothing is there" : what, position);
    return false;
  }

 private:
  static constexpr int kOutOfRange = 406;  // nlohmann's number for it

  bool Open() {
    keys_.emplace_back();
    if (keys_.size() <= kMaxDepth) return true;
    status_ = InvalidField("(body)", absl::StrCat("it is nested deeper than ", kMaxDepth, " levels"));
    return false;
  }
  bool Close() {
    keys_.pop_back();
    return true;
  }

  const std::string_view text_;
  std::vector<std::set<std::string>> keys_;  // of the containers that are open
  absl::Status status_;
};

// Builds the tree, too.
class Builder final : public Checker {
 public:
  explicit Builder(std::string_view text) : Checker(text) {}

  json Take() { return std::move(root_); }

  bool null() override { return Add(json()); }
  bool boolean(bool value) override { return Add(json(value)); }
  bool number_integer(number_integer_t value) override { return Add(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Add(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Add(json(value)); }
  bool string(string_t& value) override { return Add(json(std::move(value))); }
  bool start_object(size_t size) override { return Checker::start_object(size) && Enter(json::object()); }
  bool start_array(size_t size) override { return Checker::start_array(size) && Enter(json::array()); }
  bool end_object() override { return Leave() && Checker::end_object(); }
  bool end_array() override { return Leave() && Checker::end_array(); }
  bool key(string_t& name) override {
    if (!Checker::key(name)) return false;
    key_ = std::move(name);
    return true;
  }

 private:
  json* Put(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& container = *open_.back();
    if (container.is_object()) return &(container[std::move(key_)] = std::move(value));
    container.push_back(std::move(value));
    return &container.back();
  }
  bool Add(json value) {
    Put(std::move(value));
    return true;
  }
  bool Enter(json container) {
    open_.push_back(Put(std::move(container)));
    return true;
  }
  bool Leave() {
    open_.pop_back();
    return true;
  }

  json root_;
  std::vector<json*> open_;  // a container does not move while one of its parts is open
  std::string key_;
};

}  // namespace

int64_t JsonTreeBytes(std::string_view text) {
  int64_t bytes = kValueBytes;
  for (const char c : text) {
    if (c == ',') bytes += kValueBytes;
    if (c == ':') bytes += kEntryBytes;
    if (c == '[' || c == '{') bytes += kValueBytes + kContainerBytes;
  }
  return bytes;
}

absl::StatusOr<json> ParseJson(std::string_view text) {
  Builder builder(text);
  if (!json::sax_parse(text.begin(), text.end(), &builder)) {
    return builder.status().ok() ? NoJson("a syntax error", 0) : builder.status();
  }
  return builder.Take();
}

absl::Status CheckJson(std::string_view text) {
  Checker checker(text);
  if (json::sax_parse(text.begin(), text.end(), &checker)) return absl::OkStatus();
  return checker.status().ok() ? NoJson("a syntax error", 0) : checker.status();
}

}  // namespace attendant
