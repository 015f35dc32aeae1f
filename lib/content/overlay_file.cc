#include "lib/content/overlay_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

int OpenUnlinked(const std::string& directory) {
  const int fd = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return fd;
  std::string name = directory + "/s3files-spill-XXXXXX";  // a file system without O_TMPFILE
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OverlayFile>> OverlayFile::Create(SpillArea* area) {
  if (area->directory.empty()) {
    return Error(ENOSPC,
                 "staged bytes fill their half of the pool and spill_dir is off; commit, raise "
                 "`memory`, or set `spill_dir`");
  }
  const int fd = OpenUnlinked(area->directory);
  if (fd < 0) {
    return Error(errno == EACCES || errno == ENOENT ? ENOSPC : errno,
                 absl::StrCat("cannot make a temporary file in spill_dir ", area->directory, ": ",
                              strerror(errno)));
  }
  return std::unique_ptr<OverlayFile>(new OverlayFile(area, fd));
}

OverlayFile::~OverlayFile() {
  area_->bytes.fetch_sub(reserved_.total(), std::memory_order_relaxed);
  close(fd_);
}

absl::Status OverlayFile::Reserve(const ByteRange& range) {
  for (const ByteRange& missing : reserved_.Missing(range)) {
    int result;
    do {
      result = posix_fallocate(fd_, static_cast<off_t>(missing.begin),
                               static_cast<off_t>(missing.size()));
    } while (result == EINTR);
    if (result != 0) {
      return Error(result, absl::StrCat("cannot spill ", missing.size(), " staged bytes to ",
                                        area_->directory, ": ", strerror(result)));
    }
    reserved_.Add(missing);
    area_->bytes.fetch_add(missing.size(), std::memory_order_relaxed);
  }
  return absl::OkStatus();
}

absl::Status OverlayFile::Write(uint64_t offset, absl::Span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(n < 0 ? errno : EIO, "writing staged bytes to spill_dir failed");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

absl::Status OverlayFile::Read(uint64_t offset, absl::Span<char> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(n < 0 ? errno : EIO, "reading staged bytes from spill_dir failed");
    out.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace s3files
