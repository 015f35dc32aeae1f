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

void ConflictAdapter::Open(std::weak_ptr<Mount> mount) {
  absl::MutexLock lock(&mu_);
  mount_ = std::move(mount);
}

void ConflictAdapter::Close() {
  absl::MutexLock lock(&mu_);
  mount_.reset();
  mu_.Await(absl::Condition(
      +[](int* running) { return *running == 0; }, &running_));
}

ConflictDecision ConflictAdapter::Judge(const ConflictCase& conflict) {
  if (callback_ == nullptr) return default_;
  std::shared_ptr<Mount> mount;
  {
    absl::MutexLock lock(&mu_);
    mount = mount_.lock();
    if (mount == nullptr) return ConflictDecision::kFail;
    ++running_;
  }
  uint32_t decision;
  {
    FileSystem::ConflictHandles handles = mount->fs->OpenConflict(conflict);
    s3f_fs fs{mount};
    s3f_handle base{mount, std::move(handles.base), true};
    s3f_handle mine{mount, std::move(handles.mine), true};
    s3f_handle theirs{mount, std::move(handles.theirs), true};
    s3f_handle result{mount, std::move(handles.result), true};
    s3f_conflict asked = {};
    asked.struct_size = sizeof(asked);
    asked.code = conflict.error;
    asked.path = conflict.path.c_str();
    asked.fs = &fs;
    asked.base = base.handle == nullptr ? nullptr : &base;
    asked.mine = &mine;
    asked.theirs = theirs.handle == nullptr ? nullptr : &theirs;
    asked.result = &result;
    decision = callback_(user_, &asked);
    for (s3f_handle* handle : {&base, &mine, &theirs, &result}) {
      mount->fs->CloseLent(std::move(handle->handle));
    }
  }
  absl::MutexLock lock(&mu_);
  // Not the last one to have it: who closes the file system waits for this.
  mount.reset();
  --running_;
  return decision <= S3F_CONFLICT_FAIL ? static_cast<ConflictDecision>(decision)
                                       : ConflictDecision::kStore;
}

}  // namespace s3files
