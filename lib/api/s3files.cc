// The C ABI: each call checks its arguments and hands over to the file system. Here: file systems,
// files.
#include "s3files/s3files.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/api/mount.h"
#include "lib/api/open_file_system.h"
#include "lib/base/clock.h"

namespace s3files {
namespace {

// Ends a handle by `end`, whatever `call` is like: the handle is gone afterwards.
int EndHandle(s3f_handle* handle, const s3f_call* call,
              absl::Status (FileSystem::*end)(const CallContext&, std::unique_ptr<Handle>)) {
  if (handle == nullptr || handle->lent) return 0;
  // What was inherited by fork may hold locks of threads that do not exist here: it is left alone.
  if (handle->mount->fs->InForkedChild()) return 0;
  const std::unique_ptr<s3f_handle> owned(handle);
  FileSystem& fs = *owned->mount->fs;
  int64_t result = RunCall(call, [&](const CallContext& context) {
    return (fs.*end)(CallerOf(*owned->mount, context).context(), std::move(owned->handle));
  });
  if (owned->handle != nullptr) fs.Drop(std::move(owned->handle));
  return static_cast<int>(result);
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
    auto mount = std::make_shared<s3files::Mount>(known);
    S3FILES_ASSIGN_OR_RETURN(mount->fs, s3files::OpenFileSystem(context, url, options,
                                                                &mount->events, &mount->conflicts));
    *out = new s3f_fs{mount};
    mount->conflicts.Open(mount);
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
    fs->mount->conflicts.Close();
    fs->mount->events.Close();
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

}  // extern "C"
