// How bulk bytes travel between layers without an intermediate copy: a source is read at an offset
// (so that a retry can start over), a sink is written at an offset (so that a retry can resume).
#ifndef S3FILES_LIB_BASE_BYTES_H_
#define S3FILES_LIB_BASE_BYTES_H_

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "lib/base/errors.h"

namespace s3files {

// Bytes of a known length. Reads may come from any thread, one at a time, in any order, repeatedly;
// the bytes must not change between them.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // Fills all of `out` from `offset`; offset + out.size() <= size().
  virtual absl::Status Read(uint64_t offset, absl::Span<char> out) = 0;
};

// Takes bytes as they arrive. Called by one thread at a time with non-decreasing offsets, except
// that a transfer that starts over writes from 0 again. An error ends the transfer with that error.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual absl::Status Write(uint64_t offset, absl::Span<const char> bytes) = 0;
};

// A source over memory that the caller keeps alive.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(absl::string_view bytes) : bytes_(bytes) {}
  uint64_t size() const override { return bytes_.size(); }
  absl::Status Read(uint64_t offset, absl::Span<char> out) override {
    std::memcpy(out.data(), bytes_.data() + offset, out.size());
    return absl::OkStatus();
  }

 private:
  absl::string_view bytes_;
};

// A sink that keeps everything in one string of at most `limit` bytes (sizes that come from the
// network are not trusted): EOVERFLOW beyond.
class StringSink final : public ByteSink {
 public:
  explicit StringSink(uint64_t limit) : limit_(limit) {}
  absl::Status Write(uint64_t offset, absl::Span<const char> bytes) override {
    if (bytes.size() > limit_ || offset > limit_ - bytes.size()) {
      return Error(EOVERFLOW, "reply is larger than expected");
    }
    bytes_.resize(offset);
    bytes_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  std::string& bytes() { return bytes_; }

 private:
  uint64_t limit_;
  std::string bytes_;
};

}  // namespace s3files

#endif  // S3FILES_LIB_BASE_BYTES_H_
