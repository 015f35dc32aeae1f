// The C ABI: each call checks its arguments and hands over to the file system.
#include "s3files/s3files.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/api/c_call.h"
#include "lib/api/open_file_system.h"
#include "lib/base/clock.h"
#include "lib/base/errors.h"
#include "lib/fs/file_system.h"

namespace s3files {
namespace {

// Hands events to the application's callback.
class EventAdapter final : public EventSink {
 public:
  EventAdapter(s3f_event_fn callback, void* user) : callback_(callback), user_(user) {}

  void OnEvent(const Event& event) override {
    if (callback_ == nullptr) return;
    const std::string message(event.status.message());
    s3f_event out = {};
    out.struct_size = sizeof(out);
    out.kind = static_cast<uint32_t>(event.kind);
    out.code = ErrnoOf(event.status);
    out.bytes = event.bytes;
    out.path = event.path.c_str();
    out.message = message.c_str();
    out.detail = event.detail.c_str();
    callback_(user_, &out);
  }

 private:
  const s3f_event_fn callback_;
  void* const user_;
};

// A file system and what it reports to; handles share it, so that none outlives it.
struct Mount {
  Mount(s3f_event_fn callback, void* user) : events(callback, user) {}
  EventAdapter events;
  std::shared_ptr<FileSystem> fs;
};

absl::Status Missing(absl::string_view what) {
  return Error(EINVAL, absl::StrCat(what, " is NULL"));
}

}  // namespace
}  // namespace s3files

struct s3f_fs {
  std::shared_ptr<s3files::Mount> mount;
};

struct s3f_handle {
  std::shared_ptr<s3files::Mount> mount;
  std::unique_ptr<s3files::Handle> handle;
};

namespace s3files {
namespace {

const Handle* AtOf(const s3f_handle* at) { return at == nullptr ? nullptr : at->handle.get(); }

absl::Status CheckAt(const s3f_fs* fs, const s3f_handle* at) {
  if (fs == nullptr) return Missing("fs");
  if (at != nullptr && at->mount != fs->mount) {
    return Error(EINVAL, "the handle `at` belongs to another file system");
  }
  return fs->mount->fs->CheckUsable();
}

// Runs `body(context, fs)` for a path call.
template <typename Body>
int RunPath(s3f_fs* fs, const s3f_handle* at, const char* path, const s3f_call* call, Body body) {
  return static_cast<int>(RunCall(call, [&](const CallContext& context) -> absl::Status {
    S3FILES_RETURN_IF_ERROR(CheckAt(fs, at));
    if (path == nullptr) return Missing("path");
    S3FILES_RETURN_IF_ERROR(context.Check(path));
    return body(context, *fs->mount->fs);
  }));
}

// Runs `body(context, fs, handle)`, which returns a StatusOr<int64_t>, for a call on a handle.
template <typename Body>
int64_t RunHandle(s3f_handle* handle, const s3f_call* call, Body body) {
  return RunCall(call, [&](const CallContext& context) -> absl::StatusOr<int64_t> {
    if (handle == nullptr) return Missing("handle");
    FileSystem& fs = *handle->mount->fs;
    S3FILES_RETURN_IF_ERROR(fs.CheckUsable());
    S3FILES_RETURN_IF_ERROR(context.Check("using a handle"));
    return body(context, fs, *handle->handle);
  });
}

// Ends a handle by `end`, whatever `call` is like: the handle is gone afterwards.
int EndHandle(s3f_handle* handle, const s3f_call* call,
              absl::Status (FileSystem::*end)(const CallContext&, std::unique_ptr<Handle>)) {
  if (handle == nullptr) return 0;
  // What was inherited by fork may hold locks of threads that do not exist here: it is left alone.
  if (handle->mount->fs->InForkedChild()) return 0;
  const std::unique_ptr<s3f_handle> owned(handle);
  FileSystem& fs = *owned->mount->fs;
  int64_t result = RunCall(call, [&](const CallContext& context) {
    return (fs.*end)(context, std::move(owned->handle));
  });
  if (owned->handle != nullptr) fs.Drop(std::move(owned->handle));
  return static_cast<int>(result);
}

s3f_attr AttrOf(const FileInfo& info) {
  s3f_attr attr = {};
  attr.filled = info.filled;
  attr.type = static_cast<uint32_t>(info.attributes.type);
  attr.mode = info.attributes.mode;
  attr.uid = info.attributes.uid;
  attr.gid = info.attributes.gid;
  attr.ino = info.ino;
  attr.size = info.size;
  attr.mtime_ns = info.attributes.mtime_ns;
  attr.nlink = 1;
  if (info.version.known()) {
    CopyText(info.version.etag(), attr.etag, sizeof(attr.etag));
    CopyText(info.version.version_id(), attr.version_id, sizeof(attr.version_id));
  }
  return attr;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> OptionsOf(
    const s3f_fs_config& config) {
  if (config.option_count > 0 && config.options == nullptr) return Missing("config->options");
  std::vector<std::pair<std::string, std::string>> options;
  for (uint32_t i = 0; i < config.option_count; ++i) {
    const s3f_option& option = config.options[i];
    if (option.name == nullptr || option.value == nullptr) return Missing("an option's text");
    options.emplace_back(option.name, option.value);
  }
  return options;
}

}  // namespace
}  // namespace s3files

using s3files::CallContext;
using s3files::Error;
using s3files::FileSystem;
using s3files::Handle;
using s3files::Missing;
using s3files::RunCall;
using s3files::RunHandle;
using s3files::RunPath;

extern "C" {

int s3f_last_error(s3f_error* out) {
  if (out == nullptr) return -EINVAL;
  return -s3files::ErrnoOf(s3files::WriteStruct(out, s3files::LastError()));
}

uint64_t s3f_now_ns(void) { return static_cast<uint64_t>(s3files::MonotonicNanos()); }

int s3f_cancel_create(s3f_cancel** out) {
  if (out == nullptr) return -EINVAL;
  return static_cast<int>(RunCall(nullptr, [&](const CallContext&) {
    *out = new s3f_cancel{std::make_shared<s3files::CancelToken>()};
    return absl::OkStatus();
  }));
}

void s3f_cancel_fire(s3f_cancel* cancel) {
  if (cancel != nullptr) cancel->token->Cancel();
}

void s3f_cancel_destroy(s3f_cancel* cancel) { delete cancel; }

uint32_t s3f_version(void) {
  return S3F_VERSION_MAJOR << 16 | S3F_VERSION_MINOR << 8 | S3F_VERSION_PATCH;
}

int s3f_fs_open(s3f_fs** out, const char* url, const s3f_fs_config* config, const s3f_call* call) {
  return static_cast<int>(RunCall(call, [&](const CallContext& context) -> absl::Status {
    if (out == nullptr) return Missing("out");
    if (url == nullptr) return Missing("url");
    s3f_fs_config known = {};
    if (config != nullptr) S3FILES_RETURN_IF_ERROR(s3files::ReadStruct(config, &known));
    S3FILES_ASSIGN_OR_RETURN(const auto options, s3files::OptionsOf(known));
    auto mount = std::make_shared<s3files::Mount>(known.on_event, known.on_event_user);
    S3FILES_ASSIGN_OR_RETURN(mount->fs,
                             s3files::OpenFileSystem(context, url, options, &mount->events));
    *out = new s3f_fs{std::move(mount)};
    return absl::OkStatus();
  }));
}

int s3f_fs_close(s3f_fs* fs, uint32_t flags, const s3f_call* call) {
  if (fs == nullptr) return 0;
  if (fs->mount->fs->InForkedChild()) return 0;  // left alone, as handles are
  const bool discard = (flags & S3F_CLOSE_DISCARD) != 0;
  const int result = static_cast<int>(RunCall(call, [&](const CallContext& context) {
    return (flags & ~uint32_t{S3F_CLOSE_DISCARD}) != 0 ? Error(EINVAL, "unknown flag")
                                                       : fs->mount->fs->Close(context, discard);
  }));
  if (result == 0 || (discard && fs->mount->fs->CheckUsable().code() != absl::StatusCode::kOk)) {
    delete fs;
  }
  return result;
}

int s3f_fs_stats(s3f_stats* out, s3f_fs* fs) {
  return static_cast<int>(RunCall(nullptr, [&](const CallContext&) -> absl::Status {
    if (out == nullptr) return Missing("out");
    S3FILES_RETURN_IF_ERROR(s3files::CheckAt(fs, nullptr));
    const FileSystem::Stats stats = fs->mount->fs->GetStats();
    const s3files::RequestCounts& sent = stats.requests;
    s3f_stats filled = {};
    filled.get = sent.get;
    filled.head = sent.head;
    filled.put = sent.put;
    filled.del = sent.del;
    filled.list = sent.list;
    filled.copy = sent.copy;
    filled.create_upload = sent.create_upload;
    filled.upload_part = sent.upload_part;
    filled.copy_part = sent.copy_part;
    filled.complete_upload = sent.complete_upload;
    filled.abort_upload = sent.abort_upload;
    filled.other = sent.other;
    filled.retries = sent.retries;
    filled.request_errors = sent.errors;
    filled.bytes_in = sent.bytes_in;
    filled.bytes_out = sent.bytes_out;
    filled.memory_limit = stats.memory_limit;
    filled.memory_cached = stats.memory_cached;
    filled.memory_staged = stats.memory_staged;
    filled.memory_in_flight = stats.memory_in_flight;
    filled.spilled = stats.spilled;
    filled.staged_files = stats.staged_files;
    filled.commits = stats.commits.commits;
    filled.commit_failures = stats.commits.failures;
    filled.conflicts = stats.commits.conflicts;
    filled.keys_skipped = stats.keys_skipped;
    return s3files::WriteStruct(out, filled);
  }));
}

int s3f_stat(s3f_attr* out, s3f_fs* fs, s3f_handle* at, const char* path, uint32_t mask,
             const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    if (out == nullptr) return Missing("out");
    auto info = files.Stat(context, s3files::AtOf(at), path, mask);
    return info.ok() ? s3files::WriteStruct(out, s3files::AttrOf(*info)) : info.status();
  });
}

int s3f_fstat(s3f_attr* out, s3f_handle* handle, uint32_t mask, const s3f_call* call) {
  return static_cast<int>(RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        if (out == nullptr) return Missing("out");
        S3FILES_ASSIGN_OR_RETURN(const s3files::FileInfo info, fs.HandleInfo(context, file, mask));
        S3FILES_RETURN_IF_ERROR(s3files::WriteStruct(out, s3files::AttrOf(info)));
        return 0;
      }));
}

int s3f_open(s3f_handle** out, s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
             uint32_t mode, const s3f_call* call) {
  return RunPath(
      fs, at, path, call, [&](const CallContext& context, FileSystem& files) -> absl::Status {
        if (out == nullptr) return Missing("out");
        S3FILES_ASSIGN_OR_RETURN(std::unique_ptr<Handle> handle,
                                 files.Open(context, s3files::AtOf(at), path, flags, mode));
        *out = new s3f_handle{fs->mount, std::move(handle)};
        return absl::OkStatus();
      });
}

int64_t s3f_pread(void* buf, size_t size, uint64_t offset, s3f_handle* handle,
                  const s3f_call* call) {
  return RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        if (buf == nullptr && size > 0) return Missing("buf");
        S3FILES_ASSIGN_OR_RETURN(
            const size_t n,
            fs.Read(context, file, offset, absl::MakeSpan(static_cast<char*>(buf), size)));
        return static_cast<int64_t>(n);
      });
}

int64_t s3f_pwrite(s3f_handle* handle, const void* buf, size_t size, uint64_t offset,
                   const s3f_call* call) {
  return RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        if (buf == nullptr && size > 0) return Missing("buf");
        S3FILES_RETURN_IF_ERROR(fs.Write(context, file, offset,
                                         absl::MakeConstSpan(static_cast<const char*>(buf), size)));
        return static_cast<int64_t>(size);
      });
}

int64_t s3f_append(uint64_t* offset_out, s3f_handle* handle, const void* buf, size_t size,
                   const s3f_call* call) {
  return RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        if (buf == nullptr && size > 0) return Missing("buf");
        S3FILES_ASSIGN_OR_RETURN(
            const uint64_t offset,
            fs.Append(context, file, absl::MakeConstSpan(static_cast<const char*>(buf), size)));
        if (offset_out != nullptr) *offset_out = offset;
        return static_cast<int64_t>(size);
      });
}

int s3f_truncate(s3f_handle* handle, uint64_t size, const s3f_call* call) {
  return static_cast<int>(RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        S3FILES_RETURN_IF_ERROR(fs.Truncate(context, file, size));
        return 0;
      }));
}

int s3f_fsync(s3f_handle* handle, const s3f_call* call) {
  return static_cast<int>(RunHandle(
      handle, call,
      [&](const CallContext& context, FileSystem& fs, Handle& file) -> absl::StatusOr<int64_t> {
        S3FILES_RETURN_IF_ERROR(fs.Sync(context, file));
        return 0;
      }));
}

int s3f_close(s3f_handle* handle, const s3f_call* call) {
  return s3files::EndHandle(handle, call, &FileSystem::CloseHandle);
}

int s3f_abandon(s3f_handle* handle, const s3f_call* call) {
  return s3files::EndHandle(handle, call, &FileSystem::Abandon);
}

int s3f_commit(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return files.Commit(context, s3files::AtOf(at), path);
  });
}

int s3f_discard(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return files.Discard(context, s3files::AtOf(at), path);
  });
}

int s3f_status(s3f_status_info* out, s3f_fs* fs, s3f_handle* at, const char* path,
               const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext&, FileSystem& files) -> absl::Status {
    if (out == nullptr) return Missing("out");
    S3FILES_ASSIGN_OR_RETURN(const FileSystem::PathStatus status,
                             files.Status(s3files::AtOf(at), path));
    s3f_status_info filled = {};
    filled.state = static_cast<uint32_t>(status.state);
    filled.code = s3files::ErrnoOf(status.last_error);
    filled.attempts = status.attempts;
    filled.staged_bytes = status.staged_bytes;
    filled.age_ns = static_cast<uint64_t>(status.age_ns);
    s3files::CopyText(status.last_error.message(), filled.message, sizeof(filled.message));
    return s3files::WriteStruct(out, filled);
  });
}

int s3f_next_staged(uint64_t* cursor, char* path, size_t size, s3f_fs* fs, const s3f_call* call) {
  return static_cast<int>(RunCall(call, [&](const CallContext&) -> absl::StatusOr<int64_t> {
    if (cursor == nullptr) return Missing("cursor");
    if (path == nullptr) return Missing("path");
    S3FILES_RETURN_IF_ERROR(s3files::CheckAt(fs, nullptr));
    uint64_t next = *cursor;
    const std::optional<std::string> staged = fs->mount->fs->NextStaged(&next);
    if (!staged) return 0;
    if (staged->size() >= size) {
      return Error(ERANGE, absl::StrCat("the path needs ", staged->size() + 1, " bytes"));
    }
    std::memcpy(path, staged->c_str(), staged->size() + 1);
    *cursor = next;
    return 1;
  }));
}

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
  return RunPath(fs, from_at, from, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::Status {
                   S3FILES_RETURN_IF_ERROR(s3files::CheckAt(fs, to_at));
                   if (to == nullptr) return Missing("to");
                   return files.Rename(context, s3files::AtOf(from_at), from, s3files::AtOf(to_at),
                                       to, flags);
                 });
}

}  // extern "C"
