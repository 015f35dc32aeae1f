#include "lib/content/overlay_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"
#include "lib/base/hash.h"

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

// What is reserved ahead doubles with what precedes it, up to this: a call a MiB would cost as much
// as the bytes, and what a small file reserves in vain others may need.
constexpr uint64_t kLargestStep = 8 << 20;

int Allocate(int fd, uint64_t begin, uint64_t end) {
  int result;
  do {
    result = posix_fallocate(fd, static_cast<off_t>(begin), static_cast<off_t>(end - begin));
  } while (result == EINTR);
  return result;
}

uint64_t LargestFile() {
  rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OverlayFile>> OverlayFile::Create(SpillArea* area) {
  if (area->directory.empty()) {
    return Error(ENOSPC,
                 "staged bytes fill their half of the pool and spill_dir is off; commit, raise "
                 "`memory`, or set `spill_dir`");
  }
  const std::string name = area->named ? RandomId() : "";
  const int fd = area->named ? open(absl::StrCat(area->directory, "/", name).c_str(),
                                    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600)
                             : OpenUnlinked(area->directory);
  if (fd < 0) {
    return Error(errno == EACCES || errno == ENOENT ? ENOSPC : errno,
                 absl::StrCat("cannot make a file for staged bytes in ", area->directory, ": ",
                              strerror(errno)));
  }
  return std::unique_ptr<OverlayFile>(new OverlayFile(area, fd, name));
}

absl::StatusOr<std::unique_ptr<OverlayFile>> OverlayFile::Open(SpillArea* area,
                                                               const std::string& name,
                                                               const RangeSet& written) {
  const std::string path = absl::StrCat(area->directory, "/", name);
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    return Error(EIO, absl::StrCat("staged bytes are gone: ", path, ": ", strerror(errno)));
  }
  std::unique_ptr<OverlayFile> file(new OverlayFile(area, fd, name));
  file->kept_ = true;
  struct stat info;
  const std::vector<ByteRange> ranges = written.ranges();
  if (fstat(fd, &info) != 0 ||
      (!ranges.empty() && static_cast<uint64_t>(info.st_size) < ranges.back().end)) {
    return Error(EIO, absl::StrCat("staged bytes are gone: ", path, " was cut short"));
  }
  file->reserved_ = file->written_ = written;
  area->bytes.fetch_add(written.total(), std::memory_order_relaxed);
  return file;
}

OverlayFile::OverlayFile(SpillArea* area, int fd, std::string name)
    : area_(area), fd_(fd), name_(std::move(name)), largest_(LargestFile()) {}

OverlayFile::~OverlayFile() {
  area_->bytes.fetch_sub(written_.total(), std::memory_order_relaxed);
  close(fd_);
  if (!name_.empty() && !kept_) unlink(absl::StrCat(area_->directory, "/", name_).c_str());
}

absl::Status OverlayFile::Sync() const {
  int result;
  do {
    result = fdatasync(fd_);
  } while (result != 0 && errno == EINTR);
  if (result == 0 && !broken_.load()) return absl::OkStatus();
  const int error = result == 0 ? EIO : errno;
  broken_.store(true);
  return Error(
      error, absl::StrCat("cannot sync staged bytes in ", area_->directory, ": ", strerror(error)));
}

bool OverlayFile::ReserveAhead(uint64_t begin, uint64_t end) {
  uint64_t run = 0;  // reserved bytes right before `begin`
  for (const ByteRange& before : reserved_.Within({begin - std::min(begin, kLargestStep), begin})) {
    if (before.end == begin) run = before.size();
  }
  const uint64_t until = std::min(begin + run, largest_);
  if (until <= end || Allocate(fd_, begin, until) != 0) return false;
  reserved_.Add({begin, until});
  return true;
}

void OverlayFile::Truncate(uint64_t size) {
  const ByteRange cut{size, UINT64_MAX};
  if (!reserved_.Intersects(cut)) return;
  for (const ByteRange& gone : written_.Within(cut)) {
    area_->bytes.fetch_sub(gone.size(), std::memory_order_relaxed);
  }
  written_.Remove(cut);
  if (kept_) return;  // the journal's state may have the bytes still
  // Where it fails the room stays ours, and the bytes in it are as undefined as if it were new.
  if (ftruncate(fd_, static_cast<off_t>(size)) == 0) reserved_.Remove(cut);
}

absl::Status OverlayFile::Reserve(const ByteRange& range) {
  for (const ByteRange& missing : reserved_.Missing(range)) {
    if (ReserveAhead(missing.begin, missing.end)) continue;
    if (const int result = Allocate(fd_, missing.begin, missing.end); result != 0) {
      return Error(result, absl::StrCat("cannot spill ", missing.size(), " staged bytes to ",
                                        area_->directory, ": ", strerror(result)));
    }
    reserved_.Add(missing);
  }
  return absl::OkStatus();
}

absl::Status OverlayFile::Write(uint64_t offset, absl::Span<const char> bytes) {
  const ByteRange range{offset, offset + bytes.size()};
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(n < 0 ? errno : EIO, "writing staged bytes to their file failed");
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  for (const ByteRange& fresh : written_.Missing(range)) {
    area_->bytes.fetch_add(fresh.size(), std::memory_order_relaxed);
  }
  written_.Add(range);
  return absl::OkStatus();
}

absl::Status OverlayFile::Read(uint64_t offset, absl::Span<char> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error(n < 0 ? errno : EIO, "reading staged bytes from their file failed");
    out.remove_prefix(static_cast<size_t>(n));
    offset += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace s3files
