#include "client/cli/item_reader.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "client/cli/json_item.h"

namespace attendant::cli {
namespace {

// No server takes a longer text; the bound keeps a file without line ends from filling the memory.
constexpr size_t kMaxLineBytes = 64 << 20;

bool IsJsonLinesName(const std::string& name) {
  return name.ends_with(".jsonl") || name.ends_with(".ndjson") || name.ends_with(".json");
}

}  // namespace

void AddInputFlags(CLI::App& command, InputFlags* flags) {
  auto* texts = command.add_option("texts", flags->texts, "the texts themselves")->type_name("TEXT");
  command
      .add_option("-i,--input", flags->input,
                  "file to read instead; - for standard input. FILE.jsonl: each line {\"text\": ...}, "
                  "{\"pair\": [a, b]} or {\"ids\": [...], \"type_ids\": [...], \"add_special_tokens\": true}; "
                  "other files: one text a line")
      ->type_name("FILE")
      ->excludes(texts);
  const std::map<std::string, InputFormat> formats = {
      {"auto", InputFormat::kAuto}, {"text", InputFormat::kText}, {"jsonl", InputFormat::kJsonLines}};
  command
      .add_option_function<std::string>(
          "--input-format", [flags, formats](const std::string& name) { flags->format = formats.at(name); },
          "how to read the input: auto (by the file's name; standard input: text), text, jsonl")
      ->check(CLI::IsMember({"auto", "text", "jsonl"}));
}

absl::StatusOr<std::unique_ptr<ItemReader>> ItemReader::Open(const InputFlags& flags, Context& context) {
  std::unique_ptr<ItemReader> reader(new ItemReader);
  reader->json_ = flags.format == InputFormat::kJsonLines;
  if (!flags.texts.empty()) {
    reader->texts_ = flags.texts;
    return reader;
  }
  if (flags.input.empty() || flags.input == "-") {
    if (context.in_is_terminal)
      context.err << "attendant: reading from the terminal, one item a line; end with Ctrl-D\n";
    reader->name_ = "standard input";
    reader->in_ = &context.in;
  } else {
    reader->name_ = flags.input;
    if (flags.format == InputFormat::kAuto) reader->json_ = IsJsonLinesName(flags.input);
    std::error_code ignored;
    if (std::filesystem::is_directory(flags.input, ignored)) {
      return absl::NotFoundError(absl::StrCat("cannot read ", flags.input, ": it is a directory"));
    }
    reader->file_ = std::make_unique<std::ifstream>(flags.input, std::ios::binary);
    if (!*reader->file_) {
      return absl::NotFoundError(absl::StrCat("cannot open ", flags.input, ": ", std::strerror(errno)));
    }
    const auto bytes = std::filesystem::file_size(flags.input, ignored);
    if (!ignored) reader->file_bytes_ = static_cast<int64_t>(bytes);
    reader->in_ = reader->file_.get();
  }
  reader->lines_.emplace(*reader->in_, kMaxLineBytes);
  return reader;
}

std::optional<ItemReader::Entry> ItemReader::Next() {
  if (!lines_.has_value()) {
    if (next_text_ == texts_.size()) return std::nullopt;
    const std::string& text = texts_[next_text_++];
    return Entry{json_ ? ParseJsonItem(text) : client::Item(text), static_cast<int64_t>(next_text_)};
  }
  std::string line;
  while (true) {
    const LineReader::Outcome outcome = lines_->Next(&line);
    if (outcome == LineReader::Outcome::kEnd) return std::nullopt;
    if (outcome == LineReader::Outcome::kTooLong) {
      return Entry{absl::InvalidArgumentError(absl::StrCat("the line is longer than ", kMaxLineBytes, " bytes")),
                   lines_->line_number()};
    }
    // JSON lines allow blank lines between objects; in a text file a blank line is an (erroneous) empty text.
    if (json_ && line.find_first_not_of(" \t\r") == std::string::npos) continue;
    return Entry{json_ ? ParseJsonItem(line) : client::Item(std::move(line)), lines_->line_number()};
  }
}

std::string ItemReader::Where(int64_t number) const {
  if (!lines_.has_value()) return absl::StrCat("argument ", number);
  return absl::StrCat(name_, ":", number);
}

std::optional<double> ItemReader::progress() const {
  if (!lines_.has_value() || file_bytes_ <= 0) return std::nullopt;
  return std::min(1.0, static_cast<double>(lines_->bytes_read()) / static_cast<double>(file_bytes_));
}

absl::StatusOr<std::vector<client::Item>> ReadAllItems(ItemReader& reader, size_t max_items) {
  std::vector<client::Item> items;
  while (auto entry = reader.Next()) {
    if (!entry->item.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(reader.Where(entry->number), ": ", std::string(entry->item.status().message())));
    }
    if (items.size() == max_items) {
      return absl::InvalidArgumentError(absl::StrCat("more than ", max_items, " items; use `attendant embed`"));
    }
    items.push_back(*std::move(entry->item));
  }
  if (items.empty()) return absl::InvalidArgumentError("there are no items");
  return items;
}

}  // namespace attendant::cli
