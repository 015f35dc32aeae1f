// The C ABI: staged changes.
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/api/export_error.h"
#include "lib/api/mount.h"
#include "s3files/s3files.h"

using s3files::CallContext;
using s3files::Error;
using s3files::FileSystem;
using s3files::Missing;
using s3files::RunCall;
using s3files::RunPath;

extern "C" {

int s3f_commit(s3f_commit_info* out, s3f_fs* fs, s3f_handle* at, const char* path, uint32_t flags,
               const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::Status {
                   S3FILES_RETURN_IF_ERROR(s3files::CheckKnown(flags, S3F_COMMIT_NO_WAIT));
                   FileSystem::Committed done;
                   const absl::Status status = files.Commit(
                       context, s3files::AtOf(at), path, (flags & S3F_COMMIT_NO_WAIT) == 0, &done);
                   if (out == nullptr) return status;
                   s3f_commit_info filled = {};
                   filled.files = done.tally.files;
                   filled.bytes = done.tally.bytes;
                   if (done.version.known()) {
                     s3files::CopyText(done.version.etag(), filled.etag, sizeof(filled.etag));
                     s3files::CopyText(done.version.version_id(), filled.version_id,
                                       sizeof(filled.version_id));
                   }
                   const absl::Status written = s3files::WriteStruct(out, filled);
                   return status.ok() ? written : status;
                 });
}

int s3f_barrier(s3f_fs* fs, const s3f_call* call) {
  return static_cast<int>(RunCall(call, [&](const CallContext& context) -> absl::Status {
    S3FILES_RETURN_IF_ERROR(s3files::CheckAt(fs, nullptr));
    return fs->mount->fs->Barrier(context);
  }));
}

int s3f_diff(s3f_diff_info* out, s3f_fs* fs, s3f_handle* at, const char* path,
             const s3f_call* call) {
  return RunPath(fs, at, path, call,
                 [&](const CallContext& context, FileSystem& files) -> absl::Status {
                   if (out == nullptr) return Missing("out");
                   S3FILES_ASSIGN_OR_RETURN(const FileSystem::Diff diff,
                                            files.DiffOf(context, s3files::AtOf(at), path));
                   const s3files::CommitDiff& sent = diff.requests;
                   s3f_diff_info filled = {};
                   filled.files = diff.files;
                   filled.directories = diff.directories;
                   filled.head = sent.head;
                   filled.put = sent.put;
                   filled.copy = sent.copy;
                   filled.create_upload = sent.create_upload;
                   filled.upload_part = sent.upload_part;
                   filled.copy_part = sent.copy_part;
                   filled.complete_upload = sent.complete_upload;
                   filled.bytes_out = sent.bytes_out;
                   filled.bytes_copied = sent.bytes_copied;
                   filled.bytes_in = sent.bytes_in;
                   return s3files::WriteStruct(out, filled);
                 });
}

int s3f_discard(s3f_fs* fs, s3f_handle* at, const char* path, const s3f_call* call) {
  return RunPath(fs, at, path, call, [&](const CallContext& context, FileSystem& files) {
    return files.Discard(context, s3files::AtOf(at), path);
  });
}

int s3f_status(s3f_status_info* out, s3f_fs* fs, s3f_handle* at, const char* path,
               const s3f_call* call) {
  return RunPath(
      fs, at, path, call, [&](const CallContext& context, FileSystem& files) -> absl::Status {
        if (out == nullptr) return Missing("out");
        S3FILES_ASSIGN_OR_RETURN(const FileSystem::PathStatus status,
                                 files.Status(context, s3files::AtOf(at), path));
        s3f_status_info filled = {};
        filled.state = static_cast<uint32_t>(status.state);
        filled.code = s3files::ErrnoOf(status.last_error);
        filled.attempts = status.attempts;
        filled.staged_bytes = status.staged_bytes;
        filled.age_ns = static_cast<uint64_t>(status.age_ns);
        filled.next_attempt_ns = static_cast<uint64_t>(status.next_attempt_ns);
        s3files::CopyText(s3files::ExportErrorOf(status.last_error), filled.export_error,
                          sizeof(filled.export_error));
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

}  // extern "C"
