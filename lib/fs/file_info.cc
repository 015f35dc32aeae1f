#include "lib/fs/file_info.h"

#include <algorithm>

namespace s3files {

FileInfo InfoOf(const Inode& inode) {
  FileInfo info;
  info.filled = kInfoType | kInfoSize | kInfoIno | kInfoVersion | kInfoBlocks;
  info.ino = inode.ino;
  info.generation = inode.generation;
  absl::MutexLock lock(&inode.mu);
  info.attributes = inode.attributes;
  info.attributes.type = inode.type;
  if (inode.full) info.filled |= kInfoNeedsHead;
  if (inode.content != nullptr) info.size = inode.content->size();
  if (!inode.committed.version.absent()) info.version = inode.committed.version;
  info.nlink = inode.removed ? 0 : inode.type == FileType::kDirectory ? 2 : 1;
  int64_t& mtime = info.attributes.mtime_ns;
  mtime = std::max(mtime, inode.directory->changed_ns);
  info.ctime_ns = inode.ctime_ns;
  if (inode.type == FileType::kDirectory) info.ctime_ns = std::max(inode.ctime_ns, mtime);
  if (info.ctime_ns == 0) info.ctime_ns = inode.committed.last_modified_ns;
  if (info.ctime_ns == 0) info.ctime_ns = mtime;
  info.atime_ns = inode.atime_ns.value_or(mtime);
  return info;
}

}  // namespace s3files
