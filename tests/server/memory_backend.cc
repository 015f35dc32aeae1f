#include "tests/server/memory_backend.h"

#include <algorithm>
#include <utility>

namespace s3files::server {
namespace {

// One read of a socket at most; larger ones leave the processor's cache before they are hashed.
constexpr uint64_t kMaxSpace = 256 * 1024;

class Buffer : public Storage {
 public:
  explicit Buffer(std::shared_ptr<const char[]> bytes) : bytes_(std::move(bytes)) {}
  const char* data() const override { return bytes_.get(); }

 private:
  std::shared_ptr<const char[]> bytes_;
};

class Text : public Storage {
 public:
  explicit Text(std::string text) : text_(std::move(text)) {}
  const char* data() const override { return text_.data(); }

 private:
  std::string text_;
};

}  // namespace

MemoryBody::MemoryBody(uint64_t size) : bytes_(new char[size]), size_(size) {}

std::span<char> MemoryBody::Space() {
  return {bytes_.get() + written_, std::min(kMaxSpace, size_ - written_)};
}

Blob MemoryBody::Finish() {
  return Blob({std::make_shared<Buffer>(std::move(bytes_)), 0, written_});
}

Blob ToBlob(std::string text) {
  uint64_t size = text.size();
  return Blob({std::make_shared<Text>(std::move(text)), 0, size});
}

std::string ToString(const Blob& blob) {
  std::string text;
  for (const Extent& extent : blob.extents()) {
    text.append(extent.storage->data() + extent.offset, extent.length);
  }
  return text;
}

std::unique_ptr<BodyWriter> MemoryBackend::NewBody(uint64_t size) {
  return std::make_unique<MemoryBody>(size);
}

}  // namespace s3files::server
