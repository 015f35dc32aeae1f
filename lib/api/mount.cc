#include "lib/api/mount.h"

namespace s3files {

absl::Status Missing(absl::string_view what) {
  return Error(EINVAL, absl::StrCat(what, " is NULL"));
}

absl::Status CheckKnown(uint32_t flags, uint32_t known) {
  return (flags & ~known) == 0 ? absl::OkStatus() : Error(EINVAL, "unknown flag");
}

absl::Status CheckAt(const s3f_fs* fs, const s3f_handle* at) {
  if (fs == nullptr) return Missing("fs");
  if (at != nullptr && at->mount != fs->mount) {
    return Error(EINVAL, "the handle `at` belongs to another file system");
  }
  return fs->mount->fs->CheckUsable();
}

s3f_attr AttrOf(const FileInfo& info) {
  s3f_attr attr = {};
  attr.filled = info.filled;
  attr.type = static_cast<uint32_t>(info.attributes.type);
  attr.mode = info.attributes.mode;
  attr.uid = info.attributes.uid;
  attr.gid = info.attributes.gid;
  attr.ino = info.ino;
  attr.generation = info.generation;
  attr.size = info.size;
  attr.blocks = info.size / 512 + (info.size % 512 != 0 ? 1 : 0);
  attr.mtime_ns = info.attributes.mtime_ns;
  attr.ctime_ns = info.ctime_ns;
  attr.atime_ns = info.atime_ns;
  attr.nlink = info.nlink;
  if (info.version.known()) {
    CopyText(info.version.etag(), attr.etag, sizeof(attr.etag));
    CopyText(info.version.version_id(), attr.version_id, sizeof(attr.version_id));
  }
  return attr;
}

}  // namespace s3files
