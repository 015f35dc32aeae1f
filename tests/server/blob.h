#ifndef S3FILES_TESTS_SERVER_BLOB_H_
#define S3FILES_TESTS_SERVER_BLOB_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace s3files::server {

// Immutable bytes as they were uploaded: a buffer in memory or a file. Lives as long as anything
// refers to it, so a GET in flight still serves the bytes of an object replaced meanwhile.
class Storage {
 public:
  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  virtual ~Storage() = default;

  // The bytes where they are in memory, else nullptr.
  virtual const char* data() const { return nullptr; }
  // A new read-only descriptor where the bytes are in a file, else -1. The caller closes it.
  virtual int OpenFile() const { return -1; }
  // Names the storage in a directory's journal.
  virtual uint64_t id() const { return 0; }
};

struct Extent {
  std::shared_ptr<const Storage> storage;
  uint64_t offset;
  uint64_t length;
};

// The body of an object: a sequence of extents. Copying, slicing and joining bodies, which is what
// CopyObject, UploadPartCopy and CompleteMultipartUpload do, never touches a byte.
class Blob {
 public:
  Blob() = default;
  explicit Blob(Extent extent) { Append(std::move(extent)); }

  uint64_t size() const { return size_; }
  const std::vector<Extent>& extents() const { return extents_; }

  void Append(Extent extent);
  void Append(const Blob& other);
  Blob Slice(uint64_t offset, uint64_t length) const;

 private:
  std::vector<Extent> extents_;
  uint64_t size_ = 0;
};

// Takes the bytes of one upload. Destroyed before Finish, it leaves nothing behind.
class BodyWriter {
 public:
  BodyWriter() = default;
  BodyWriter(const BodyWriter&) = delete;
  BodyWriter& operator=(const BodyWriter&) = delete;
  virtual ~BodyWriter() = default;

  // Where the next bytes go; empty once the announced size has been written.
  virtual std::span<char> Space() = 0;
  // The first `count` bytes of Space() are part of the body.
  virtual void Advance(size_t count) = 0;
  virtual Blob Finish() = 0;
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_BLOB_H_
