// Whether a model directory is still the one that was loaded: a text that changes whenever its files do.
// Thread-safety: a pure function of the file system at the time of the call.
#ifndef ATTENDANT_SERVER_MODELS_DIRECTORY_STAMP_H_
#define ATTENDANT_SERVER_MODELS_DIRECTORY_STAMP_H_

#include <string>

namespace attendant {

// Of all files below the directory (the first two thousand entries): their paths (links resolved), sizes and times of
// change. Golden vectors do not count: they describe a model, they do not make it another one. "" when it cannot be
// read.
std::string DirectoryStamp(const std::string& directory);

}  // namespace attendant

#endif  // ATTENDANT_SERVER_MODELS_DIRECTORY_STAMP_H_
