// Attributes as an operation returns them.
#ifndef S3FILES_LIB_FS_FILE_INFO_H_
#define S3FILES_LIB_FS_FILE_INFO_H_

#include <cstdint>
#include <string>

#include "lib/inode/attributes.h"
#include "lib/inode/inode.h"
#include "lib/store/version.h"

namespace s3files {

// Bits of `filled` and of masks; as S3F_STAT_*.
enum : uint32_t {
  kInfoType = 1u << 0,
  kInfoSize = 1u << 1,
  kInfoMtime = 1u << 2,
  kInfoMode = 1u << 3,
  kInfoOwner = 1u << 4,
  kInfoIno = 1u << 5,
  kInfoVersion = 1u << 6,
  kInfoTimes = 1u << 7,
  kInfoBlocks = 1u << 8,
};
// What a listing does not tell exactly.
inline constexpr uint32_t kInfoNeedsHead = kInfoMtime | kInfoMode | kInfoOwner | kInfoTimes;

struct FileInfo {
  uint32_t filled = 0;
  Attributes attributes;
  int64_t ctime_ns = 0;
  int64_t atime_ns = 0;
  uint64_t ino = 0;
  uint64_t generation = 0;
  uint64_t nlink = 1;
  uint64_t size = 0;
  Version version;
};

// All that is known of the inode, staged changes included.
FileInfo InfoOf(const Inode& inode);

}  // namespace s3files

#endif  // S3FILES_LIB_FS_FILE_INFO_H_
