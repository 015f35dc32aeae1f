// The C ABI: attributes and extended attributes.
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "lib/api/mount.h"
#include "s3files/s3files.h"

namespace s3files {
namespace {

bool Follows(uint32_t flags) { return (flags & S3F_NOFOLLOW) == 0; }

absl::StatusOr<AttributeRequest> RequestOf(const s3f_setattr_in* change, int64_t now_ns) {
  if (change == nullptr) return Missing("change");
  s3f_setattr_in in = {};
  S3FILES_RETURN_IF_ERROR(ReadStruct(change, &in));
  S3FILES_RETURN_IF_ERROR(CheckKnown(in.set, (S3F_SET_ATIME_NOW << 1) - 1));
  if (in.mode > 07777) return Error(EINVAL, "mode has bits beyond 07777");
  AttributeRequest request;
  if ((in.set & S3F_SET_MODE) != 0) request.mode = in.mode;
  if ((in.set & S3F_SET_UID) != 0) request.uid = in.uid;
  if ((in.set & S3F_SET_GID) != 0) request.gid = in.gid;
  if ((in.set & S3F_SET_SIZE) != 0) request.size = in.size;
  if ((in.set & S3F_SET_MTIME) != 0) request.mtime_ns = in.mtime_ns;
  if ((in.set & S3F_SET_ATIME) != 0) request.atime_ns = in.atime_ns;
  if ((in.set & S3F_SET_MTIME_NOW) != 0) request.mtime_ns = now_ns;
  if ((in.set & S3F_SET_ATIME_NOW) != 0) request.atime_ns = now_ns;
  request.times_are_now = (in.set & (S3F_SET_MTIME | S3F_SET_ATIME)) == 0;
  if (request.uid == UINT32_MAX || request.gid == UINT32_MAX) {
    return Error(EINVAL, "-1 is nobody's id; leave S3F_SET_UID or S3F_SET_GID out instead");
  }
  return request;
}

// Copies to the caller's buffer what fits into it; 0 asks for the size.
absl::StatusOr<int64_t> Hand(const std::string& found, void* out, size_t size) {
  if (size == 0) return static_cast<int64_t>(found.size());
  if (out == nullptr) return Missing("the buffer");
  if (found.size() > size) {
    return Error(ERANGE, absl::StrCat(found.size(), " bytes are needed"));
  }
  std::memcpy(out, found.data(), found.size());
  return static_cast<int64_t>(found.size());
}

}  // namespace
}  // namespace s3files

using s3files::AtOf;
using s3files::CallContext;
using s3files::CheckKnown;
using s3files::Error;
using s3files::FileSystem;
using s3files::Follows;
using s3files::Missing;
using s3files::RunPath;

extern "C" {

int s3f_stat(s3f_attr* out, s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
             uint32_t mask, const s3f_call* call) {
  return RunPath(
      fs, at, path, call, [&](const CallContext& context, FileSystem& files) -> absl::Status {
        if (out == nullptr) return Missing("out");
        S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW));
        S3FILES_ASSIGN_OR_RETURN(const s3files::FileInfo info,
                                 files.Stat(context, AtOf(at), path, Follows(flags), mask));
        return s3files::WriteStruct(out, s3files::AttrOf(info));
      });
}

int s3f_fstat(s3f_attr* out, s3f_handle* handle, uint32_t mask, const s3f_call* call) {
  return static_cast<int>(s3files::RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs,
          s3files::Handle& file) -> absl::StatusOr<int64_t> {
        if (out == nullptr) return Missing("out");
        S3FILES_ASSIGN_OR_RETURN(const s3files::FileInfo info,
                                 fs.Stat(context, &file, "", /*follow=*/false, mask));
        S3FILES_RETURN_IF_ERROR(s3files::WriteStruct(out, s3files::AttrOf(info)));
        return 0;
      }));
}

int s3f_setattr(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
                const s3f_setattr_in* change, const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::Status {
                   S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW));
                   S3FILES_ASSIGN_OR_RETURN(const s3files::AttributeRequest request,
                                            s3files::RequestOf(change, files.Now()));
                   return files.SetAttributes(context, AtOf(at), path, Follows(flags), request);
                 });
}

int s3f_access(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags, uint32_t mode,
               const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::Status {
                   S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW));
                   S3FILES_RETURN_IF_ERROR(CheckKnown(mode, S3F_R_OK | S3F_W_OK | S3F_X_OK));
                   return files.Access(context, AtOf(at), path, Follows(flags), mode);
                 });
}

int64_t s3f_getxattr(void* value, size_t size, s3f_fs* fs, s3f_handle* at, const char* path,
                     uint32_t flags, const char* name, const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::StatusOr<int64_t> {
                   if (name == nullptr) return Missing("name");
                   S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW));
                   S3FILES_ASSIGN_OR_RETURN(
                       const std::string found,
                       files.GetXattr(context, AtOf(at), path, Follows(flags), name));
                   return s3files::Hand(found, value, size);
                 });
}

int64_t s3f_listxattr(char* names, size_t size, s3f_fs* fs, s3f_handle* at, const char* path,
                      uint32_t flags, const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::StatusOr<int64_t> {
                   S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW));
                   S3FILES_ASSIGN_OR_RETURN(
                       const std::vector<std::string> found,
                       files.ListXattrs(context, AtOf(at), path, Follows(flags)));
                   std::string list;
                   for (const std::string& name : found) list.append(name).push_back('\0');
                   return s3files::Hand(list, names, size);
                 });
}

int s3f_setxattr(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags, const char* name,
                 const void* value, size_t size, const s3f_call* call) {
  return RunPath(
      fs, at, path, call, [&](const CallContext& context, FileSystem& files) -> absl::Status {
        if (name == nullptr) return Missing("name");
        if (value == nullptr && size > 0) return Missing("value");
        constexpr uint32_t kWhen = S3F_XATTR_CREATE | S3F_XATTR_REPLACE;
        S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW | kWhen));
        if ((flags & kWhen) == kWhen) {
          return Error(EINVAL, "S3F_XATTR_CREATE and S3F_XATTR_REPLACE exclude each other");
        }
        std::optional<bool> must_exist;
        if ((flags & kWhen) != 0) must_exist = (flags & S3F_XATTR_REPLACE) != 0;
        return files.SetXattr(context, AtOf(at), path, Follows(flags), name,
                              std::string(static_cast<const char*>(value), size), must_exist);
      });
}

int s3f_removexattr(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags, const char* name,
                    const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::Status {
                   if (name == nullptr) return Missing("name");
                   S3FILES_RETURN_IF_ERROR(CheckKnown(flags, S3F_NOFOLLOW));
                   return files.SetXattr(context, AtOf(at), path, Follows(flags), name,
                                         std::nullopt, /*must_exist=*/true);
                 });
}

}  // extern "C"
