// One object in one file: its bytes from offset 0, then a trailer with version and metadata. One
// rename thus publishes all of it, which no pair of files (and no portable file attribute) can do.
#ifndef S3FILES_LIB_STORE_OBJECT_FILE_H_
#define S3FILES_LIB_STORE_OBJECT_FILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/bytes.h"
#include "lib/base/call_context.h"
#include "lib/store/object_store.h"

namespace s3files {

// An open file descriptor, or -1.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// errno as a status: "<what>: <the system's words>".
absl::Status SystemError(absl::string_view what);

// An object opened for reading: one version to the end, whatever happens to its name.
struct ObjectFile {
  Fd fd;
  ObjectInfo info;
  ObjectTags tags;
};

// ENOENT; EIO where the file is not an object of ours.
absl::StatusOr<ObjectFile> OpenObjectFile(int directory, const std::string& path);
// Sends `range` of the object's bytes to `sink`, from offset 0.
absl::Status SendBytes(const CallContext& call, const ObjectFile& file, const ByteRange& range,
                       ByteSink& sink);

// An object being written, under a temporary name. It holds a flock(2) on its file, so that whoever
// sweeps the directory can tell it from what a dead process left behind.
class ObjectFileWriter {
 public:
  static absl::StatusOr<ObjectFileWriter> Create(int temporaries);
  ObjectFileWriter(ObjectFileWriter&&) = default;
  ObjectFileWriter& operator=(ObjectFileWriter&&) = delete;
  ~ObjectFileWriter();  // removes it unless it was renamed

  absl::Status Append(const CallContext& call, ByteSource& body);
  absl::Status AppendFrom(const CallContext& call, const ObjectFile& source, ByteRange range);
  // Ends the file: a new version with these, which is on the disk where `fsync` is set.
  absl::Status Finish(int64_t now_ns, const ObjectMetadata& metadata, const ObjectTags& tags,
                      bool fsync);

  const Stamp& stamp() const { return stamp_; }  // after Finish
  uint64_t size() const { return size_; }        // of the object's bytes
  // Gives it its name, replacing what had it. False with errno set where it failed.
  bool RenameTo(int directory, const std::string& path);

 private:
  ObjectFileWriter(int temporaries, std::string name, Fd fd)
      : temporaries_(temporaries), name_(std::move(name)), fd_(std::move(fd)) {}
  absl::Status Flush();

  int temporaries_;
  std::string name_;  // empty once renamed
  Fd fd_;
  std::string pending_;  // not yet written: a small object costs one write(2)
  uint64_t size_ = 0;
  Stamp stamp_;
};

// The names in a directory, unordered; none where it cannot be read.
std::vector<std::string> NamesIn(int parent, const std::string& path);
// Removes what dead processes left in the directory of temporaries.
void SweepTemporaries(int temporaries);
// Removes a directory of files, nothing deeper.
void RemoveFlatDirectory(int parent, const std::string& name);
absl::Status SyncDirectory(int parent, const std::string& path);

}  // namespace s3files

#endif  // S3FILES_LIB_STORE_OBJECT_FILE_H_
