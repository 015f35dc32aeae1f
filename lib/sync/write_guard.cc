#include "lib/sync/write_guard.h"

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/callback_scope.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

absl::string_view NameOf(WriteKind kind) {
  switch (kind) {
    case WriteKind::kPut:
      return "uploads";
    case WriteKind::kComplete:
      return "uploads in parts";
    case WriteKind::kCopy:
      return "copies";
    case WriteKind::kDelete:
      return "removals";
  }
  return "";
}

}  // namespace

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

void WriteGuard::Tell(absl::string_view key, WriteKind kind) {
  if (told_[static_cast<size_t>(kind)].exchange(true)) return;
  absl::string_view path = absl::StripPrefix(key, prefix_);
  absl::ConsumeSuffix(&path, "/");
  const CallbackScope scope;
  events_->OnEvent({EventKind::kUnconditional, std::string(path), absl::OkStatus(),
                    absl::StrCat("the store may not honour conditions on ", NameOf(kind),
                                 ": they are checked with a HEAD just before"),
                    0});
}

absl::StatusOr<Precondition> WriteGuard::Prepare(const CallContext& call, absl::string_view key,
                                                 const Version& expected, WriteKind kind) {
  Version wanted = expected;
  if (wanted.unknown()) {
    S3FILES_ASSIGN_OR_RETURN(wanted, Current(call, key));
  }
  if (!wanted.unknown() && Honours(wanted, kind)) return Precondition::Is(wanted);

  if (strict_) {
    return Error(ENOTSUP, absl::StrCat("the store may not honour conditions on ", NameOf(kind),
                                       " like that of ", key,
                                       ", and option `strict` forbids writing without one"));
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
  Tell(key, kind);
  const bool nothing = kind == WriteKind::kDelete && wanted.absent();
  return wanted.unknown() || nothing ? Precondition::None() : Precondition::Is(wanted);
}

}  // namespace s3files
