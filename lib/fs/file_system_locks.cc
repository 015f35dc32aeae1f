// FileSystem: advisory locks.
#include <cerrno>

#include "lib/base/errors.h"
#include "lib/fs/file_system.h"

namespace s3files {
namespace {

absl::Status CheckLockable(const Handle& handle) {
  return (handle.flags & kOpenPath) != 0 ? Error(EBADF, "the handle is a reference only")
                                         : absl::OkStatus();
}

}  // namespace

LockOwner FileSystem::OwnerOf(const Handle& handle, uint64_t named) {
  return named == 0 ? LockOwner{LockOwner::Kind::kHandle, handle.id}
                    : LockOwner{LockOwner::Kind::kNamed, named};
}

absl::Status FileSystem::LockRange(const CallContext& call, Handle& handle, const RangeLock& lock,
                                   bool wait) {
  S3FILES_RETURN_IF_ERROR(CheckLockable(handle));
  if (lock.type == LockType::kShared && (handle.flags & kOpenRead) == 0) {
    return Error(EBADF, "a shared lock needs a handle that is open for reading");
  }
  if (lock.type == LockType::kExclusive && (handle.flags & kOpenWrite) == 0) {
    return Error(EBADF, "an exclusive lock needs a handle that is open for writing");
  }
  handle.has_locks.store(true, std::memory_order_relaxed);
  return locks_.Set(call, handle.inode, lock, wait);
}

absl::StatusOr<std::optional<RangeLock>> FileSystem::TestLock(const Handle& handle,
                                                              const RangeLock& wanted) const {
  S3FILES_RETURN_IF_ERROR(CheckLockable(handle));
  return locks_.Test(handle.inode, wanted);
}

absl::Status FileSystem::LockWhole(const CallContext& call, Handle& handle, LockType type,
                                   bool wait) {
  S3FILES_RETURN_IF_ERROR(CheckLockable(handle));
  handle.has_locks.store(true, std::memory_order_relaxed);
  return locks_.SetWhole(call, handle.inode, handle.id, type, wait);
}

}  // namespace s3files
