#include "server/port_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace attendant {

absl::Status WritePortFile(const std::string& path, const BoundPorts& ports) {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::trunc);
  file << "grpc=" << ports.grpc << "\n";
  if (ports.http != 0) file << "http=" << ports.http << "\n";
  if (ports.metrics != 0) file << "metrics=" << ports.metrics << "\n";
  if (ports.admin != 0) file << "admin=" << ports.admin << "\n";
  file.close();
  if (!file.fail() && std::rename(temporary.c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot write the port file ", path, ": ", std::strerror(errno)));
}

}  // namespace attendant
