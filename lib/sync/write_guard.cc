#include "lib/sync/write_guard.h"

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"

namespace s3files {

bool WriteGuard::Honours(const Version& expected, WriteKind kind) const {
  const Capabilities& can = store_->capabilities();
  switch (kind) {
    case WriteKind::kPut:
      return expected.absent() ? can.conditional_create : can.conditional_replace;
    case WriteKind::kComplete:
      return can.conditional_complete;
    case WriteKind::kCopy:
      return can.copy_target;
    case WriteKind::kDelete:
      return can.conditional_delete;
  }
  return false;
}

absl::StatusOr<Version> WriteGuard::Current(const CallContext& call, absl::string_view key) {
  absl::StatusOr<ObjectInfo> info = store_->Head(call, key);
  if (info.ok()) return info->stamp.version;
  if (ErrnoOf(info.status()) == ENOENT) return Version::Absent();
  return info.status();
}

absl::StatusOr<Precondition> WriteGuard::Prepare(const CallContext& call, absl::string_view key,
                                                 const Version& expected, WriteKind kind) {
  Version wanted = expected;
  if (wanted.unknown()) {
    S3FILES_ASSIGN_OR_RETURN(wanted, Current(call, key));
  }
  if (!wanted.unknown() && Honours(wanted, kind)) return Precondition::Is(wanted);

  const std::string what =
      absl::StrCat("the store does not honour a condition on writes like that of ", key);
  if (strict_) {
    return Error(ENOTSUP, absl::StrCat(what, ", and option `strict` forbids writing without one"));
  }
  if (!expected.unknown()) {
    S3FILES_ASSIGN_OR_RETURN(const Version current, Current(call, key));
    const bool gone_anyway = kind == WriteKind::kDelete && current.absent();
    if (current != expected && !gone_anyway) {
      return Error(expected.absent() ? EEXIST : ESTALE,
                   absl::StrCat(key, " changed in the store: expected version ",
                                expected.ToString(), ", found ", current.ToString()));
    }
  }
  if (!told_[static_cast<size_t>(kind)].exchange(true)) {
    const CallbackScope scope;
    events_->OnEvent({EventKind::kUnconditional, std::string(key), absl::OkStatus(),
                      absl::StrCat(what, ": it is checked with a HEAD just before"), 0});
  }
  // The store object drops it, and compares again before it repeats the write.
  const bool nothing = kind == WriteKind::kDelete && wanted.absent();
  return wanted.unknown() || nothing ? Precondition::None() : Precondition::Is(wanted);
}

}  // namespace s3files
