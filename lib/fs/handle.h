// An open file or directory.
#ifndef S3FILES_LIB_FS_HANDLE_H_
#define S3FILES_LIB_FS_HANDLE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "lib/content/content.h"
#include "lib/content/read_ahead.h"
#include "lib/fs/directory_stream.h"
#include "lib/inode/inode.h"

namespace s3files {

// Bits of the flags given to open; as S3F_O_*.
enum : uint32_t {
  kOpenRead = 1u << 0,
  kOpenWrite = 1u << 1,
  kOpenCreate = 1u << 2,
  kOpenExclusive = 1u << 3,
  kOpenTruncate = 1u << 4,
  kOpenAppend = 1u << 5,
  kOpenDirectory = 1u << 6,
  kOpenPath = 1u << 7,
  kOpenNoFollow = 1u << 8,
};

// Thread-safe, but for its destruction.
struct Handle {
  Handle(uint64_t id, InodePtr inode, std::shared_ptr<Content> content, uint32_t flags,
         const ReadAhead& policy)
      : id(id),
        inode(std::move(inode)),
        content(std::move(content)),
        flags(flags),
        read_ahead(policy) {}

  const uint64_t id;  // never used again
  const InodePtr inode;
  // What it reads and writes, whatever version the inode shows later; null for directories.
  const std::shared_ptr<Content> content;
  const uint32_t flags;
  bool lost = false;                        // opened in lost+found; as of its opening
  std::unique_ptr<DirectoryStream> stream;  // of directories
  std::atomic<bool> has_staged{false};
  std::atomic<bool> has_locks{false};  // may have advisory locks of its own

  absl::Mutex mu;  // leaf
  ReadAhead read_ahead ABSL_GUARDED_BY(mu);
};

}  // namespace s3files

#endif  // S3FILES_LIB_FS_HANDLE_H_
