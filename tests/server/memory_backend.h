#ifndef S3FILES_TESTS_SERVER_MEMORY_BACKEND_H_
#define S3FILES_TESTS_SERVER_MEMORY_BACKEND_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/server/backend.h"

namespace s3files::server {

// Receives a body into one buffer of its final size.
class MemoryBody : public BodyWriter {
 public:
  explicit MemoryBody(uint64_t size);

  std::span<char> Space() override;
  void Advance(size_t count) override { written_ += count; }
  Blob Finish() override;

 private:
  // Not zeroed: every byte is received before it is read.
  std::shared_ptr<char[]> bytes_;
  uint64_t size_;
  uint64_t written_ = 0;
};

// A text as a blob in memory, and back.
Blob ToBlob(std::string text);
std::string ToString(const Blob& blob);

// Keeps everything in memory and nothing after the process.
class MemoryBackend : public Backend {
 public:
  std::unique_ptr<BodyWriter> NewBody(uint64_t size) override;
  void Replay(const std::function<void(const Change&)>&) override {}
  void Compact(const std::vector<Change>&) override {}
  void Record(const Change&) override {}
};

}  // namespace s3files::server

#endif  // S3FILES_TESTS_SERVER_MEMORY_BACKEND_H_
