// The C ABI: advisory locks.
#include <cerrno>
#include <optional>

#include "lib/api/c_call.h"
#include "lib/api/mount.h"
#include "lib/base/errors.h"
#include "lib/fs/file_system.h"
#include "s3files/s3files.h"

namespace s3files {
namespace {

absl::StatusOr<LockType> TypeOf(uint32_t type) {
  if (type > S3F_LOCK_EXCLUSIVE) return Error(EINVAL, "the type of lock is not one of S3F_LOCK_*");
  return static_cast<LockType>(type);
}

absl::StatusOr<bool> WaitOf(uint32_t flags) {
  if ((flags & ~uint32_t{S3F_LOCK_WAIT}) != 0) return Error(EINVAL, "unknown flag");
  return flags != 0;
}

absl::StatusOr<RangeLock> LockOf(const Handle& handle, const s3f_lock& given) {
  RangeLock lock;
  lock.owner = FileSystem::OwnerOf(handle, given.owner);
  S3FILES_ASSIGN_OR_RETURN(lock.type, TypeOf(given.type));
  if (given.start == kToTheEnd || given.length > kToTheEnd - given.start) {
    return Error(EINVAL, "start + length overflows; length 0 means to the end of the file");
  }
  lock.range = {given.start, given.length == 0 ? kToTheEnd : given.start + given.length};
  return lock;
}

s3f_lock Described(const RangeLock& lock) {
  s3f_lock described = {};
  described.type = static_cast<uint32_t>(lock.type);
  described.start = lock.range.begin;
  described.length = lock.range.end == kToTheEnd ? 0 : lock.range.size();
  described.owner = lock.owner.kind == LockOwner::Kind::kNamed ? lock.owner.id : 0;
  return described;
}

}  // namespace
}  // namespace s3files

using s3files::CallContext;
using s3files::FileSystem;
using s3files::Handle;
using s3files::RunHandle;

extern "C" {

int s3f_lock_range(s3f_handle* handle, const s3f_lock* lock, uint32_t flags, const s3f_call* call) {
  return static_cast<int>(RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        if (lock == nullptr) return s3files::Missing("lock");
        s3f_lock given;
        S3FILES_RETURN_IF_ERROR(s3files::ReadStruct(lock, &given));
        S3FILES_ASSIGN_OR_RETURN(const bool wait, s3files::WaitOf(flags));
        S3FILES_ASSIGN_OR_RETURN(const auto wanted, s3files::LockOf(file, given));
        S3FILES_RETURN_IF_ERROR(fs.LockRange(context, file, wanted, wait));
        return 0;
      }));
}

int s3f_lock_test(s3f_lock* lock, s3f_handle* handle, const s3f_call* call) {
  return static_cast<int>(RunHandle(
      handle, call,
      [&](const CallContext&, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        if (lock == nullptr) return s3files::Missing("lock");
        s3f_lock given;
        S3FILES_RETURN_IF_ERROR(s3files::ReadStruct(lock, &given));
        S3FILES_ASSIGN_OR_RETURN(const auto wanted, s3files::LockOf(file, given));
        if (wanted.type == s3files::LockType::kNone) {
          return s3files::Error(EINVAL, "lock->type must be S3F_LOCK_SHARED or S3F_LOCK_EXCLUSIVE");
        }
        S3FILES_ASSIGN_OR_RETURN(const auto conflict, fs.TestLock(file, wanted));
        s3f_lock answer = given;
        answer.type = S3F_LOCK_NONE;
        if (conflict) answer = s3files::Described(*conflict);
        S3FILES_RETURN_IF_ERROR(s3files::WriteStruct(lock, answer));
        return 0;
      }));
}

int s3f_flock(s3f_handle* handle, uint32_t type, uint32_t flags, const s3f_call* call) {
  return static_cast<int>(RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        S3FILES_ASSIGN_OR_RETURN(const bool wait, s3files::WaitOf(flags));
        S3FILES_ASSIGN_OR_RETURN(const auto wanted, s3files::TypeOf(type));
        S3FILES_RETURN_IF_ERROR(fs.LockWhole(context, file, wanted, wait));
        return 0;
      }));
}

}  // extern "C"
