#include "lib/fs/file_info.h"

namespace s3files {

FileInfo InfoOf(const Inode& inode) {
  FileInfo info;
  info.filled = kInfoType | kInfoSize | kInfoIno | kInfoVersion;
  info.ino = inode.ino;
  absl::MutexLock lock(&inode.mu);
  info.attributes = inode.attributes;
  info.attributes.type = inode.type;
  if (inode.full) info.filled |= kInfoNeedsHead;
  if (inode.content != nullptr) info.size = inode.content->size();
  if (!inode.committed.version.absent()) info.version = inode.committed.version;
  return info;
}

}  // namespace s3files
