#include "lib/fs/permissions.h"

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "lib/base/errors.h"

namespace s3files {
namespace {

bool IsRoot(const CallContext& call) { return call.identity && call.identity->uid == 0; }

bool IsMember(const Identity& identity, uint32_t gid) {
  return identity.gid == gid ||
         std::find(identity.groups.begin(), identity.groups.end(), gid) != identity.groups.end();
}

bool IsOwner(const CallContext& call, const Attributes& attributes) {
  return !IsChecked(call) || call.identity->uid == attributes.uid;
}

absl::Status Denied(int error, absl::string_view path, absl::string_view why) {
  return Error(error, absl::StrCat("/", path, ": ", why));
}

}  // namespace

bool IsChecked(const CallContext& call) { return call.identity && !IsRoot(call); }

absl::Status CheckAccess(const CallContext& call, const Attributes& attributes, uint32_t want,
                         absl::string_view path) {
  if (!call.identity) return absl::OkStatus();
  uint32_t may = attributes.mode & 7;
  if (IsRoot(call)) {
    const bool executable =
        attributes.type == FileType::kDirectory || (attributes.mode & 0111) != 0;
    may = kMayRead | kMayWrite | (executable ? uint32_t{kMayExecute} : 0);
  } else if (call.identity->uid == attributes.uid) {
    may = attributes.mode >> 6 & 7;
  } else if (IsMember(*call.identity, attributes.gid)) {
    may = attributes.mode >> 3 & 7;
  }
  if ((want & ~may) == 0) return absl::OkStatus();
  return Denied(EACCES, path,
                absl::StrCat("user ", call.identity->uid, " may not ",
                             (want & ~may & kMayRead) != 0             ? "read"
                             : (want & ~may & kMayWrite) != 0          ? "write"
                             : attributes.type == FileType::kDirectory ? "search"
                                                                       : "execute",
                             " it"));
}

absl::Status CheckRemove(const CallContext& call, const Attributes& directory,
                         const Attributes& entry, absl::string_view path) {
  if (!IsChecked(call)) return absl::OkStatus();
  S3FILES_RETURN_IF_ERROR(CheckAccess(call, directory, kMayWrite | kMayExecute, path));
  if ((directory.mode & kSticky) != 0 && !IsOwner(call, directory) && !IsOwner(call, entry)) {
    return Denied(EPERM, path, "its directory is sticky, and neither is the caller's");
  }
  return absl::OkStatus();
}

absl::Status CheckChange(const CallContext& call, const Attributes& attributes,
                         const AttributeRequest& request, absl::string_view path,
                         AttributeChange* change) {
  const bool checked = IsChecked(call);
  const bool owner = IsOwner(call, attributes);
  change->mode = request.mode;
  change->uid = request.uid;
  change->gid = request.gid;
  change->mtime_ns = request.mtime_ns;

  if (request.mode && !owner) return Denied(EPERM, path, "only its owner changes the mode");
  if (checked && request.uid && (!owner || *request.uid != attributes.uid)) {
    return Denied(EPERM, path, "only root gives files away");
  }
  const uint32_t gid = request.gid.value_or(attributes.gid);
  if (checked && request.gid &&
      (!owner || (gid != attributes.gid && !IsMember(*call.identity, gid)))) {
    return Denied(EPERM, path, "only its owner changes the group, to one of its own");
  }
  if ((request.mtime_ns || request.atime_ns) && !owner) {
    if (!request.times_are_now) return Denied(EPERM, path, "only its owner sets times");
    S3FILES_RETURN_IF_ERROR(CheckAccess(call, attributes, kMayWrite, path));
  }
  if (request.size) S3FILES_RETURN_IF_ERROR(CheckAccess(call, attributes, kMayWrite, path));

  uint32_t mode = request.mode.value_or(attributes.mode);
  if (checked && request.mode && !IsMember(*call.identity, gid)) mode &= ~kSetGid;
  const bool gives_away = request.uid || request.gid;
  if (gives_away && call.identity && attributes.type == FileType::kFile && !request.mode) {
    // Where the group may not execute, the bit is not set-gid.
    mode &= (mode & 0010) != 0 ? ~(kSetUid | kSetGid) : ~kSetUid;
  }
  if (request.size) mode = ModeAfterWrite(call, mode);
  if (request.mode || mode != attributes.mode) change->mode = mode;
  return absl::OkStatus();
}

Attributes AttributesOfNew(const CallContext& call, FileType type, uint32_t mode,
                           const Attributes& directory, const AttributeDefaults& defaults,
                           int64_t now_ns) {
  Attributes made;
  made.type = type;
  made.mode = type == FileType::kSymlink ? 0777 : mode & ~call.umask & 07777;
  made.uid = call.identity ? call.identity->uid : defaults.uid;
  made.gid = call.identity ? call.identity->gid : defaults.gid;
  made.mtime_ns = now_ns;
  if ((directory.mode & kSetGid) != 0) {
    made.gid = directory.gid;
    if (type == FileType::kDirectory) made.mode |= kSetGid;
  }
  if (type == FileType::kFile && IsChecked(call) && !IsMember(*call.identity, made.gid)) {
    made.mode &= ~kSetGid;
  }
  return made;
}

uint32_t ModeAfterWrite(const CallContext& call, uint32_t mode) {
  if (!IsChecked(call)) return mode;
  return mode & ((mode & 0010) != 0 ? ~(kSetUid | kSetGid) : ~kSetUid);
}

}  // namespace s3files
