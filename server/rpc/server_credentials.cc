#include "server/rpc/server_credentials.h"

#include <fcntl.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/security/tls_store.h"

namespace attendant {
namespace {

// gRPC's watcher looks this often.
constexpr unsigned kRefreshSeconds = 1;

absl::Status Failed(absl::string_view what) {
  return absl::InternalError(absl::StrCat("cannot hand the certificate to gRPC: ", what, ": ", std::strerror(errno)));
}

// A file in memory under a path that stays, whose contents change as a whole: a reader that has opened it reads the old
// or the new. The time of modification is the number of the version, because gRPC's watcher recognises a change in the
// middle of its reading by that time alone, in whole seconds.
class MemoryFile {
 public:
  MemoryFile() = default;
  ~MemoryFile() {
    if (fd_ >= 0) close(fd_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  absl::Status Set(const std::string& text) {
    const int fd = memfd_create("attendant-tls", MFD_CLOEXEC);
    if (fd < 0) return Failed("memfd_create");
    absl::Status status = Fill(fd, text);
    if (status.ok() && fd_ >= 0 && dup3(fd, fd_, O_CLOEXEC) < 0) status = Failed("dup3");
    if (status.ok() && fd_ < 0) {
      fd_ = fd;
    } else {
      close(fd);
    }
    return status;
  }

  std::string path() const { return absl::StrCat("/proc/self/fd/", fd_); }

 private:
  absl::Status Fill(int fd, const std::string& text) {
    size_t written = 0;
    while (written < text.size()) {
      const ssize_t count = write(fd, text.data() + written, text.size() - written);
      if (count < 0) return Failed("write");
      written += static_cast<size_t>(count);
    }
    const timespec time{++version_, 0};
    const timespec times[] = {time, time};
    if (futimens(fd, times) != 0) return Failed("futimens");
    return fchmod(fd, S_IRUSR) == 0 ? absl::OkStatus() : Failed("fchmod");
  }

  int fd_ = -1;
  time_t version_ = 1'000'000'000;
};

}  // namespace

class ServerCredentials::Impl {
 public:
  explicit Impl(TlsStore* store) : store_(store) {}

  ~Impl() {
    if (listener_ >= 0) store_->RemoveListener(listener_);
  }

  absl::Status Start() {
    if (store_ == nullptr) {
      credentials_ = grpc::InsecureServerCredentials();
      return absl::OkStatus();
    }
    listener_ = store_->AddListener([this](const TlsIdentity& identity) { return Update(identity); });
    if (absl::Status status = Update(*store_->current()); !status.ok()) return status;
    using grpc::experimental::FileWatcherCertificateProvider;
    const bool mutual = store_->files().mutual();
    auto provider = std::make_shared<FileWatcherCertificateProvider>(
        pair_.path(), pair_.path(), mutual ? authorities_.path() : "", kRefreshSeconds);
    grpc::experimental::TlsServerCredentialsOptions options(std::move(provider));
    options.watch_identity_key_cert_pairs();
    if (mutual) {
      options.watch_root_certs();
      options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    }
    credentials_ = grpc::experimental::TlsServerCredentials(options);
    return credentials_ != nullptr ? absl::OkStatus() : absl::InternalError("gRPC refuses the TLS settings");
  }

  const std::shared_ptr<grpc::ServerCredentials>& credentials() const { return credentials_; }

 private:
  // Certificate and key in one file: two could be read on both sides of a change.
  absl::Status Update(const TlsIdentity& identity) {
    absl::Status status = pair_.Set(absl::StrCat(identity.certificate_pem, "\n", identity.key_pem));
    if (status.ok() && store_->files().mutual()) status = authorities_.Set(identity.client_ca_pem);
    return status;
  }

  TlsStore* const store_;
  int listener_ = -1;
  MemoryFile pair_;
  MemoryFile authorities_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;
};

ServerCredentials::ServerCredentials(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServerCredentials::~ServerCredentials() = default;

absl::StatusOr<std::unique_ptr<ServerCredentials>> ServerCredentials::New(TlsStore* store) {
  auto impl = std::make_unique<Impl>(store);
  if (absl::Status status = impl->Start(); !status.ok()) return status;
  return std::unique_ptr<ServerCredentials>(new ServerCredentials(std::move(impl)));
}

const std::shared_ptr<grpc::ServerCredentials>& ServerCredentials::grpc_credentials() const {
  return impl_->credentials();
}

}  // namespace attendant
