// Immutable bytes of one version in the store.
#ifndef S3FILES_LIB_CONTENT_BASE_H_
#define S3FILES_LIB_CONTENT_BASE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "lib/store/version.h"

namespace s3files {

struct Base {
  Base(std::string key, Version version, uint64_t size)
      : Base(NextId(), std::move(key), std::move(version), size) {}
  // One that was, with the blocks that the cache still has of it.
  Base(uint64_t id, std::string key, Version version, uint64_t size)
      : id(id), key(std::move(key)), version(std::move(version)), size(size) {}

  const uint64_t id;  // names its blocks in the cache; never used again
  const std::string key;
  const Version version;
  const uint64_t size;

 private:
  static uint64_t NextId() {
    static std::atomic<uint64_t> next{1};
    return next.fetch_add(1, std::memory_order_relaxed);
  }
};

using BasePtr = std::shared_ptr<const Base>;

}  // namespace s3files

#endif  // S3FILES_LIB_CONTENT_BASE_H_
