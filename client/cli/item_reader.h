// Items from wherever the command line says: arguments, a file, standard input.
//
// Reads one at a time, so input of any length takes constant memory. An item that cannot be read is an error in its
// place, not the end. Thread-safety: one thread.
#ifndef ATTENDANT_CLIENT_CLI_ITEM_READER_H_
#define ATTENDANT_CLIENT_CLI_ITEM_READER_H_

#include <cstdint>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "client/cli/line_reader.h"
#include "client/lib/types.h"

namespace CLI {
class App;
}

namespace attendant::cli {

enum class InputFormat { kAuto, kText, kJsonLines };

struct InputFlags {
  std::vector<std::string> texts;
  std::string input;  // file name; "-": standard input; empty: the texts, or standard input when there are none
  InputFormat format = InputFormat::kAuto;
};
void AddInputFlags(CLI::App& command, InputFlags* flags);

class ItemReader {
 public:
  // INVALID_ARGUMENT for contradictory flags, NOT_FOUND for a file that cannot be opened.
  static absl::StatusOr<std::unique_ptr<ItemReader>> Open(const InputFlags& flags, Context& context);

  struct Entry {
    absl::StatusOr<client::Item> item;
    int64_t number = 0;  // of the line or argument, from 1
  };
  std::optional<Entry> Next();

  // "file.jsonl:12" or "argument 3".
  std::string Where(int64_t number) const;

  // How far along, 0..1, for files whose size is known.
  std::optional<double> progress() const;
  // The stream broke rather than ended.
  bool failed() const { return in_ != nullptr && in_->bad(); }

 private:
  ItemReader() = default;

  std::vector<std::string> texts_;
  size_t next_text_ = 0;
  std::string name_;
  std::unique_ptr<std::ifstream> file_;
  std::istream* in_ = nullptr;
  std::optional<LineReader> lines_;
  int64_t file_bytes_ = 0;
  bool json_ = false;
};

// Everything that is left, for commands that need it at once. INVALID_ARGUMENT for the first item that cannot be read,
// for more than max_items, and for none at all.
absl::StatusOr<std::vector<client::Item>> ReadAllItems(ItemReader& reader, size_t max_items);

}  // namespace attendant::cli

#endif  // ATTENDANT_CLIENT_CLI_ITEM_READER_H_
