// The C ABI: directories and names.
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "lib/api/mount.h"
#include "s3files/s3files.h"

using s3files::CallContext;
using s3files::Error;
using s3files::FileSystem;
using s3files::Handle;
using s3files::Missing;
using s3files::RunHandle;
using s3files::RunPath;

extern "C" {

int64_t s3f_readdir(s3f_dirent* out, size_t capacity, s3f_handle* dir, uint64_t cookie,
                    const char* after_name, uint32_t mask, const s3f_call* call) {
  return RunHandle(
      dir, call,
      [&](const CallContext& context, FileSystem& fs, Handle& handle) -> absl::StatusOr<int64_t> {
        if (out == nullptr || capacity == 0) return Missing("out");
        const uint32_t stride = out->struct_size;
        if (stride != sizeof(s3f_dirent)) {
          return Error(EINVAL, "out->struct_size is not that of s3f_dirent; begin with S3F_INIT");
        }
        std::optional<std::string> after;
        if (after_name != nullptr) after = after_name;
        S3FILES_ASSIGN_OR_RETURN(const auto entries,
                                 fs.ReadDirectory(context, handle, capacity, cookie, after, mask));
        for (size_t i = 0; i < entries.size(); ++i) {
          s3f_dirent entry = {};
          entry.struct_size = stride;
          entry.cookie = entries[i].cookie;
          entry.attr = s3files::AttrOf(entries[i].info);
          entry.attr.struct_size = sizeof(entry.attr);
          s3files::CopyText(entries[i].name, entry.name, sizeof(entry.name));
          out[i] = entry;
        }
        return static_cast<int64_t>(entries.size());
      });
}

int s3f_mkdir(s3f_fs* fs, s3f_handle* at, const char* path, uint32_t mode, const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return files.MakeDirectory(context, s3files::AtOf(at), path, mode);
  });
}

int s3f_rmdir(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return files.RemoveDirectory(context, s3files::AtOf(at), path);
  });
}

int s3f_unlink(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return files.Unlink(context, s3files::AtOf(at), path);
  });
}

int s3f_rename(s3f_fs* fs, s3f_handle* from_at, const char* from, s3f_handle* to_at, const char* to,
               uint32_t flags, const s3f_call* call) {
  return RunPath(
      fs, from_at, from, call, [&](const CallContext& context, FileSystem& files) -> absl::Status {
        S3FILES_RETURN_IF_ERROR(s3files::CheckAt(fs, to_at));
        if (to == nullptr) return Missing("to");
        return files.Rename(context, s3files::AtOf(from_at), from, s3files::AtOf(to_at), to, flags);
      });
}

int s3f_symlink(const char* target, s3f_fs* fs, s3f_handle* at, const char* path,
                const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return target == nullptr ? Missing("target")
                             : files.MakeSymlink(context, target, s3files::AtOf(at), path);
  });
}

int64_t s3f_readlink(char* target, size_t size, s3f_fs* fs, s3f_handle* at, const char* path,
                     const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::StatusOr<int64_t> {
                   if (target == nullptr && size > 0) return Missing("target");
                   S3FILES_ASSIGN_OR_RETURN(const std::string found,
                                            files.ReadLink(context, s3files::AtOf(at), path));
                   const size_t n = std::min(size, found.size());
                   std::memcpy(target, found.data(), n);
                   return static_cast<int64_t>(n);
                 });
}

}  // extern "C"
