#include "client/cli/result_output.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/format.h"
#include "client/cli/npy_file.h"

namespace attendant::cli {
namespace {

// values as rows of the last dimension.
int64_t Columns(const client::EmbedResult& result) {
  return result.shape.empty() ? static_cast<int64_t>(result.values.size()) : result.shape.back();
}

class NpyOutput : public ResultOutput {
 public:
  NpyOutput(std::unique_ptr<NpyFile> rows, std::unique_ptr<NpyFile> offsets, int64_t fallback_columns)
      : rows_(std::move(rows)), offsets_(std::move(offsets)), fallback_columns_(fallback_columns) {}

  absl::Status Write(int64_t number, const client::EmbedResult& result) override {
    if (!result.status.ok()) {
      if (offsets_ != nullptr) return AppendOffset();
      // Before the first success the length of a row is unknown.
      if (columns_ < 0) {
        ++leading_failures_;
        return absl::OkStatus();
      }
      return AppendNan(1);
    }
    if (columns_ < 0) {
      columns_ = Columns(result);
      if (absl::Status status = AppendNan(std::exchange(leading_failures_, 0)); !status.ok()) return status;
    }
    const auto count = static_cast<int64_t>(result.values.size());
    if (Columns(result) != columns_ || columns_ <= 0 || count % columns_ != 0) {
      return absl::InternalError(absl::StrCat("item ", number, " has ", count, " values of rows of ", Columns(result),
                                              ", the others have rows of ", columns_));
    }
    row_count_ += count / columns_;
    absl::Status status = rows_->Append(result.values.data(), result.values.size() * sizeof(float));
    if (status.ok() && offsets_ != nullptr) status = AppendOffset();
    return status;
  }

  absl::Status Finish() override {
    absl::Status status = EndRows();
    if (status.ok()) status = rows_->Finish({row_count_, columns_});
    if (status.ok() && offsets_ != nullptr) status = offsets_->Finish({offset_count_});
    return status;
  }

  std::string Abandon() override {
    absl::Status status = EndRows();
    if (status.ok()) status = rows_->FinishPartial({row_count_, columns_});
    if (status.ok() && offsets_ != nullptr) status = offsets_->FinishPartial({offset_count_});
    if (!status.ok()) return std::string(status.message());
    return absl::StrCat(row_count_, " rows were kept in ", rows_->partial_path());
  }

  absl::Status AppendOffset() {
    ++offset_count_;
    return offsets_->Append(&row_count_, sizeof(row_count_));
  }

 private:
  absl::Status EndRows() {
    if (columns_ >= 0) return absl::OkStatus();
    columns_ = fallback_columns_;
    return AppendNan(std::exchange(leading_failures_, 0));
  }

  absl::Status AppendNan(int64_t rows) {
    const std::vector<float> row(static_cast<size_t>(columns_), std::numeric_limits<float>::quiet_NaN());
    for (int64_t i = 0; i < rows; ++i) {
      if (absl::Status status = rows_->Append(row.data(), row.size() * sizeof(float)); !status.ok()) return status;
    }
    row_count_ += rows;
    return absl::OkStatus();
  }

  std::unique_ptr<NpyFile> rows_;
  std::unique_ptr<NpyFile> offsets_;  // null unless per token
  int64_t fallback_columns_;
  int64_t columns_ = -1;
  int64_t row_count_ = 0;
  int64_t offset_count_ = 0;
  int64_t leading_failures_ = 0;
};

class JsonLinesOutput : public ResultOutput {
 public:
  explicit JsonLinesOutput(std::ostream& out) : out_(out) {}

  absl::Status Write(int64_t number, const client::EmbedResult& result) override {
    std::string line = absl::StrCat("{\"line\": ", number, ", \"embedding\": ");
    if (!result.status.ok()) {
      absl::StrAppend(&line, "null, \"error\": {\"code\": \"", absl::StatusCodeToString(result.status.code()),
                      "\", \"message\": ", JsonString(std::string(result.status.message())),
                      ", \"field\": ", JsonString(result.field), "}}\n");
    } else {
      AppendVectors(result, &line);
      absl::StrAppend(&line, ", \"tokens\": ", result.tokens_used, ", \"dropped\": ", result.tokens_dropped, "}\n");
    }
    out_ << line;
    return out_ ? absl::OkStatus() : absl::DataLossError("cannot write the output");
  }

  absl::Status Finish() override {
    out_.flush();
    return out_ ? absl::OkStatus() : absl::DataLossError("cannot write the output");
  }

 private:
  // A list of numbers, or a list of lists for vectors per token.
  static void AppendVectors(const client::EmbedResult& result, std::string* line) {
    const bool nested = result.shape.size() == 2;
    const size_t columns = static_cast<size_t>(std::max<int64_t>(1, Columns(result)));
    if (nested) line->push_back('[');
    line->push_back('[');
    for (size_t i = 0; i < result.values.size(); ++i) {
      if (i > 0) absl::StrAppend(line, nested && i % columns == 0 ? "], [" : ", ");
      absl::StrAppend(line, ShortestFloat(result.values[i]));
    }
    line->push_back(']');
    if (nested) line->push_back(']');
  }

  std::ostream& out_;
};

// Like NpyFile: under a partial name until it is complete.
class JsonLinesFile : public ResultOutput {
 public:
  explicit JsonLinesFile(std::string path)
      : path_(std::move(path)), file_(path_ + ".partial", std::ios::binary | std::ios::trunc), lines_(file_) {}

  bool ok() const { return static_cast<bool>(file_); }
  absl::Status Write(int64_t number, const client::EmbedResult& result) override {
    return lines_.Write(number, result);
  }

  absl::Status Finish() override {
    file_.close();
    if (!file_ || std::rename((path_ + ".partial").c_str(), path_.c_str()) != 0) {
      return absl::DataLossError(absl::StrCat("cannot write ", path_, ": ", std::strerror(errno)));
    }
    return absl::OkStatus();
  }

  std::string Abandon() override {
    file_.close();
    return absl::StrCat("what there was is kept in ", path_, ".partial");
  }

 private:
  std::string path_;
  std::ofstream file_;
  JsonLinesOutput lines_;
};

class TableOutput : public ResultOutput {
 public:
  TableOutput(std::ostream& out, int columns) : out_(out), columns_(columns) {}

  absl::Status Write(int64_t number, const client::EmbedResult& result) override {
    if (!std::exchange(has_heading_, true)) out_ << "  item  tokens   size  length  values\n";
    std::string line = PaddedLeft(std::to_string(number), 6);
    if (!result.status.ok()) {
      out_ << line << "  failed: " << absl::StatusCodeToString(result.status.code()) << "\n";
      return absl::OkStatus();
    }
    double squares = 0;
    const auto columns = static_cast<size_t>(std::max<int64_t>(0, Columns(result)));
    const size_t shown = std::min(columns, result.values.size());
    for (size_t i = 0; i < shown; ++i) squares += static_cast<double>(result.values[i]) * result.values[i];
    std::string size = std::to_string(columns);
    if (result.shape.size() == 2) size = absl::StrCat(result.shape[0], "x", columns);
    line += PaddedLeft(std::to_string(result.tokens_used), 8) + PaddedLeft(size, 7) +
            PaddedLeft(Fixed(std::sqrt(squares), 4), 8) + " ";
    for (size_t i = 0; i < shown; ++i) {
      const std::string value = PaddedLeft(Fixed(result.values[i], 4), 8);
      if (static_cast<int>(line.size() + value.size()) + 4 > columns_) {
        line += " ...";
        break;
      }
      line += value;
    }
    out_ << line << "\n";
    return out_ ? absl::OkStatus() : absl::DataLossError("cannot write the output");
  }

  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  std::ostream& out_;
  int columns_;
  bool has_heading_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ResultOutput>> NewNpyOutput(const std::string& path, client::Output kind,
                                                           int64_t fallback_columns) {
  auto rows = NpyFile::Create(path, kNpyFloat32);
  if (!rows.ok()) return rows.status();
  std::unique_ptr<NpyFile> offsets;
  if (kind == client::Output::kTokens) {
    std::string offsets_path = path;
    if (offsets_path.ends_with(".npy")) offsets_path.resize(offsets_path.size() - 4);
    auto created = NpyFile::Create(offsets_path + ".offsets.npy", kNpyInt64);
    if (!created.ok()) return created.status();
    offsets = *std::move(created);
  }
  const bool has_offsets = offsets != nullptr;
  auto output = std::make_unique<NpyOutput>(*std::move(rows), std::move(offsets), fallback_columns);
  if (has_offsets) {
    if (absl::Status status = output->AppendOffset(); !status.ok()) return status;
  }
  return output;
}

absl::StatusOr<std::unique_ptr<ResultOutput>> NewJsonLinesFile(const std::string& path) {
  auto output = std::make_unique<JsonLinesFile>(path);
  if (!output->ok()) {
    return absl::DataLossError(absl::StrCat("cannot create ", path, ".partial: ", std::strerror(errno)));
  }
  return output;
}

std::unique_ptr<ResultOutput> NewJsonLinesOutput(std::ostream& out) { return std::make_unique<JsonLinesOutput>(out); }

std::unique_ptr<ResultOutput> NewTableOutput(std::ostream& out, int columns) {
  return std::make_unique<TableOutput>(out, columns);
}

}  // namespace attendant::cli
