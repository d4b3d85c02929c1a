#include "server/models/directory_stamp.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/models/golden.h"

namespace attendant {
namespace {

namespace fs = std::filesystem;

// Somebody's home directory, given by mistake, must not be walked for minutes.
constexpr int kMaxEntries = 2000;

std::string Stamp(const std::string& directory) {
  std::error_code error;
  const fs::path root = fs::canonical(directory, error);
  if (error) return "";
  std::vector<std::string> lines = {root.string()};
  fs::recursive_directory_iterator entry(root, fs::directory_options::skip_permission_denied, error);
  for (int i = 0; i < kMaxEntries && !error && entry != fs::recursive_directory_iterator();
       ++i, entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored) || entry->path().filename() == kGoldenFile) continue;
    // Hugging Face's cache is made of links into a folder of blobs.
    const fs::path target = fs::canonical(entry->path(), ignored);
    const auto time = entry->last_write_time(ignored).time_since_epoch().count();
    lines.push_back(
        absl::StrCat(entry->path().string(), " ", target.string(), " ", entry->file_size(ignored), " ", time));
  }
  std::sort(lines.begin(), lines.end());
  return absl::StrJoin(lines, "\n");
}

}  // namespace

std::string DirectoryStamp(const std::string& directory) {
  // The file system library throws in spite of its error codes when it is out of memory.
  try {
    return Stamp(directory);
  } catch (const std::exception&) {
    return "";
  }
}

}  // namespace attendant
